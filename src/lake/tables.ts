import { refuseUnstorable } from "../arrow/types.ts";
import type { TableShape } from "../base/table.ts";
import { type Target, targetName } from "../base/target.ts";
import { type Connection, withConnection } from "../duck/database.ts";
import { LAKE, lakeTable, quoteLiteral } from "../duck/sql.ts";
import { EiderError, messageOf } from "../errors.ts";
import { type CreateOptions, commentSql, createTableStatements } from "./ddl.ts";
import type { Definitions } from "./definitions.ts";
import { sameNames } from "./flush-sql.ts";
import type { LakePlace } from "./instance.ts";
import { checkKey, keyColumns } from "./key-check.ts";
import { keyComment } from "./keys.ts";
import type { Retries } from "./retries.ts";
import { settleSchema } from "./settled-schema.ts";
import { stateTable } from "./state.ts";
import type { TableDescriptions } from "./table-descriptions.ts";
import { mirroredKeys, readDetail, refuseRowid } from "./table-detail.ts";
import type { Turn } from "./turn.ts";
import type { Log } from "./types.ts";

export interface TablesOptions {
  readonly descriptions: TableDescriptions;
  readonly connect: () => Promise<Connection>;
  readonly place: LakePlace;
  readonly turn: Turn;
  readonly retries: Retries;
  readonly definitions: Definitions;
  readonly log: Log;
}

/** The DDL that Eider makes itself: tables, and their keys. */
export class Tables {
  readonly #options: TablesOptions;
  readonly #descriptions: TableDescriptions;

  constructor(options: TablesOptions) {
    this.#options = options;
    this.#descriptions = options.descriptions;
  }

  /**
   * Makes the table, its schema when that is missing, and its key, in one transaction. Resolves to false when it was there
   * and `ifNotExists` allows that. Throws `already_exists`, `type_unsupported`, `request_invalid`.
   */
  async createTable(shape: TableShape, options: CreateOptions = {}): Promise<boolean> {
    for (const column of shape.columns) refuseUnstorable(column);
    const primaryKey = keyColumns(shape, shape.primaryKey);
    const statements = createTableStatements({ ...shape, primaryKey }, { orReplace: options.orReplace ?? false });
    const create = async (connection: Connection) => {
      if (options.ifNotExists && (await this.#descriptions.describe(shape.target))) return false;
      try {
        await connection.transaction(async () => {
          await settleSchema(connection);
          for (const sql of statements) await connection.run(sql);
        });
      } catch (error) {
        if (error instanceof EiderError && error.code === "already_exists" && options.ifNotExists) return false;
        throw error;
      }
      return true;
    };
    const isNew = await this.#define((connection) => this.#options.retries.run("ensure", () => create(connection)));
    this.#descriptions.invalidateOne(shape.target);
    if (isNew) await this.#afterCreate(shape.target, primaryKey);
    return isNew;
  }

  /** What DuckLake cannot do in the creating transaction; without it the table works, so that it only warns. */
  async #afterCreate(target: Target, primaryKey: readonly string[]): Promise<void> {
    try {
      await withConnection(this.#options.connect, (connection) =>
        this.#options.retries.run("ensure", () =>
          // Rows of other writers stay out of the catalog too: one row deleted inline and in Parquet may be deleted twice.
          connection.run(
            `CALL ${LAKE}.set_option('data_inlining_row_limit', 0, schema => ${quoteLiteral(target.schema)}, table_name => ${quoteLiteral(target.table)})`,
          ),
        ),
      );
      if (primaryKey.length > 0) await this.#mirrorKey(target, primaryKey, true);
    } catch (error) {
      this.#options.log.warn(
        { table: targetName(target), error: messageOf(error) },
        "a new table's options were not stored",
      );
    }
  }

  /**
   * Makes `columns` the table's key, after checking that the rows have no NULL and no duplicate in them (else
   * `constraint_violated`). Rows that wait in a buffer should be flushed before; those that are not become upserts.
   */
  async setPrimaryKey(target: Target, columns: readonly string[]): Promise<void> {
    if (columns.length === 0) throw new EiderError("request_invalid", "a primary key needs at least one column");
    await this.#define((connection) =>
      this.#options.turn.run(() =>
        this.#options.retries.run("ensure", () => this.#setPrimaryKey(connection, target, columns)),
      ),
    );
  }

  async #setPrimaryKey(connection: Connection, target: Target, columns: readonly string[]): Promise<void> {
    const { metadata, dataPath } = this.#options.place;
    const detail = await readDetail(connection, metadata, dataPath.location, target);
    if (!detail) throw new EiderError("table_not_found", `table ${targetName(target)} does not exist`);
    refuseRowid(detail.shape.target, detail.shape.columns);
    const primaryKey = keyColumns(detail.shape, columns);
    const comment = keyComment(primaryKey, detail.comment);
    if (comment === detail.comment) return;
    await checkKey(connection, detail.shape.target, primaryKey);
    await connection.run(commentSql(detail.shape.target, comment));
    this.#descriptions.invalidate();
    try {
      // An INSERT that was committed since the first check did not conflict with the COMMENT.
      await checkKey(connection, detail.shape.target, primaryKey);
    } catch (error) {
      const undo = commentSql(detail.shape.target, detail.comment);
      await this.#options.retries.run("ensure", () => connection.run(undo));
      this.#descriptions.invalidate();
      throw error;
    }
    await this.#mirrorKey(detail.shape.target, primaryKey, false);
  }

  /** Keeps the key that the table's comment tells in the mirror too. */
  async mirrorKey(target: Target): Promise<void> {
    try {
      const detail = await this.#descriptions.detail(target);
      if (!detail || detail.shape.primaryKey.length === 0) return;
      const known = (await withConnection(this.#options.connect, mirroredKeys)).get(detail.uuid) ?? [];
      const { target: stored, primaryKey } = detail.shape;
      if (sameNames(known, primaryKey)) return;
      await this.#mirrorKey(stored, primaryKey, known.length === 0);
    } catch (error) {
      this.#options.log.warn(
        { table: targetName(target), error: messageOf(error) },
        "a table's key was not mirrored: it is in the table's comment alone",
      );
    }
  }

  async #mirrorKey(target: Target, primaryKey: readonly string[], isNew: boolean): Promise<void> {
    const detail = await this.#descriptions.detail(target);
    if (!detail) return;
    const mirror = stateTable("primary_keys");
    await withConnection(this.#options.connect, (connection) =>
      this.#options.retries.run("ensure", () =>
        connection.transaction(async () => {
          if (!isNew) await connection.run(`DELETE FROM ${mirror} WHERE table_uuid = $1`, [detail.uuid]);
          await connection.run(`INSERT INTO ${mirror} VALUES ($1, $2, $3)`, [
            detail.uuid,
            targetName(detail.shape.target),
            JSON.stringify(primaryKey),
          ]);
        }),
      ),
    );
    this.#descriptions.forgetKeys();
  }

  /** Throws `table_not_found` unless `ifExists`. */
  async dropTable(target: Target, options: { readonly ifExists?: boolean } = {}): Promise<void> {
    const sql = `DROP TABLE ${options.ifExists ? "IF EXISTS " : ""}${lakeTable(target)}`;
    await this.#define((connection) => this.#options.retries.run("ensure", () => connection.run(sql)));
    this.#descriptions.invalidateOne(target);
  }

  /** `withConnection` for a transaction that defines tables. */
  #define<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const { definitions, connect } = this.#options;
    return definitions.run(() => withConnection(connect, work));
  }
}
