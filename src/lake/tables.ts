import { refuseUnstorable } from "../arrow/types.ts";
import { columnNamed, type TableShape } from "../base/table.ts";
import { type Target, targetKey, targetName } from "../base/target.ts";
import type { Connection } from "../duck/database.ts";
import { LAKE, lakeTable, quoteIdentifier, quoteLiteral } from "../duck/sql.ts";
import { EiderError, messageOf } from "../errors.ts";
import { type CreateOptions, commentSql, createTableStatements } from "./ddl.ts";
import { sameNames } from "./flush-sql.ts";
import { keyComment } from "./keys.ts";
import type { Metadata } from "./metadata.ts";
import type { Retries } from "./retries.ts";
import { SchemaVersion } from "./schema-version.ts";
import { stateTable } from "./state.ts";
import { findById, mirroredKeys, readDetail, refuseRowid, type TableDetail } from "./table-detail.ts";
import type { Turn } from "./turn.ts";
import type { Log } from "./types.ts";

export interface TablesOptions {
  readonly metadata: Metadata;
  readonly connect: () => Promise<Connection>;
  /** With a slash at its end. */
  readonly dataPath: string;
  /** Other processes may change the lake's schema: then its version is asked for before a description is trusted. */
  readonly isShared: boolean;
  readonly turn: Turn;
  readonly retries: Retries;
  /** See `Lake.holdDefinitions`. */
  readonly holdDefinitions: () => Promise<() => void>;
  readonly log: Log;
}

/** A description that keeps changing under the reader is given up after this many readings. */
const DESCRIBE_ATTEMPTS = 5;

/** The lake's tables: what they look like, and the DDL that Eider makes itself. */
export class Tables {
  readonly #options: TablesOptions;
  readonly #version: SchemaVersion;
  readonly #cache = new Map<string, TableDetail | undefined>();
  #cachedVersion = -1;
  /** Read once for all tables of a version: that takes as long as all the rest of a description. */
  #mirror: Promise<ReadonlyMap<string, readonly string[]>> | undefined;
  /** Counts the changes of this process; stands for the schema's version when no other process can change it. */
  #ownChanges = 0;
  /** The same for changes that this class makes itself and knows the table of, so that they leave the others alone. */
  readonly #changesOf = new Map<string, number>();

  constructor(options: TablesOptions) {
    this.#options = options;
    this.#version = new SchemaVersion(options.connect, options.metadata);
  }

  /** Columns, types and key as the lake has them at this moment; undefined when there is no such table. */
  async describe(target: Target): Promise<TableShape | undefined> {
    return (await this.detail(target))?.shape;
  }

  async detail(target: Target): Promise<TableDetail | undefined> {
    const key = targetKey(target);
    for (let attempt = 1; ; attempt++) {
      const version = await this.#readVersion();
      const changes = this.#changesOf.get(key) ?? 0;
      if (version !== this.#cachedVersion) {
        this.#forgetAll();
        this.#cachedVersion = version;
      }
      if (this.#cache.has(key)) return this.#cache.get(key);
      const detail = await this.#read(target);
      // The catalog and the table are read one after the other: only an unchanged version makes them surely one picture.
      const isSame = (await this.#readVersion()) === version && (this.#changesOf.get(key) ?? 0) === changes;
      if (isSame && this.#cachedVersion === version) this.#cache.set(key, detail);
      // Where tables are made all the time the version never rests; it is most likely not this table's that changed.
      if (isSame || attempt >= DESCRIBE_ATTEMPTS) return detail;
    }
  }

  /**
   * The table that rows were written for: that of the id, whatever its name is by now. When it was dropped, or the id is
   * not known, the one that has its name.
   */
  async follow(target: Target, id: string | undefined): Promise<TableDetail | undefined> {
    const named = await this.detail(target);
    if (id === undefined || named?.uuid === id) return named;
    const renamed = await this.#use((connection) => findById(connection, this.#options.metadata, id));
    return (renamed && (await this.detail(renamed))) ?? named;
  }

  async #read(target: Target): Promise<TableDetail | undefined> {
    try {
      return await this.#use((connection) =>
        readDetail(connection, this.#options.metadata, this.#options.dataPath, target, (uuid) =>
          this.#mirroredKey(connection, uuid),
        ),
      );
    } catch (error) {
      if (error instanceof EiderError && error.code === "table_not_found") return undefined;
      throw error;
    }
  }

  async #mirroredKey(connection: Connection, uuid: string): Promise<readonly string[]> {
    const reading = this.#mirror ?? mirroredKeys(connection);
    this.#mirror = reading;
    try {
      return (await reading).get(uuid) ?? [];
    } catch (error) {
      if (this.#mirror === reading) this.#mirror = undefined;
      throw error;
    }
  }

  async #readVersion(): Promise<number> {
    return this.#options.isShared ? this.#version.read() : this.#ownChanges;
  }

  /** Another one whenever a table, view or macro may have been made, changed or dropped. */
  async version(): Promise<string> {
    return `${this.#options.isShared ? await this.#version.read() : 0}.${this.#ownChanges}`;
  }

  /** To be called after every statement that may have changed a table, and again when its transaction has committed. */
  invalidate(): void {
    this.#ownChanges++;
    this.#forgetAll();
  }

  #forgetAll(): void {
    this.#cache.clear();
    this.#mirror = undefined;
  }

  #invalidateOne(target: Target): void {
    const key = targetKey(target);
    this.#changesOf.set(key, (this.#changesOf.get(key) ?? 0) + 1);
    this.#cache.delete(key);
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
      if (options.ifNotExists && (await this.describe(shape.target))) return false;
      try {
        await connection.transaction(async () => {
          for (const sql of statements) await connection.run(sql);
        });
      } catch (error) {
        if (error instanceof EiderError && error.code === "already_exists" && options.ifNotExists) return false;
        throw error;
      }
      return true;
    };
    const isNew = await this.#define((connection) => this.#options.retries.run("ensure", () => create(connection)));
    this.#invalidateOne(shape.target);
    if (isNew) await this.#afterCreate(shape.target, primaryKey);
    return isNew;
  }

  /** What DuckLake cannot do in the creating transaction; without it the table works, so that it only warns. */
  async #afterCreate(target: Target, primaryKey: readonly string[]): Promise<void> {
    try {
      await this.#use((connection) =>
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
    const detail = await readDetail(connection, this.#options.metadata, this.#options.dataPath, target);
    if (!detail) throw new EiderError("table_not_found", `table ${targetName(target)} does not exist`);
    refuseRowid(detail.shape.target, detail.shape.columns);
    const primaryKey = keyColumns(detail.shape, columns);
    const comment = keyComment(primaryKey, detail.comment);
    if (comment === detail.comment) return;
    await checkKey(connection, detail.shape.target, primaryKey);
    await connection.run(commentSql(detail.shape.target, comment));
    this.invalidate();
    try {
      // An INSERT that was committed since the first check did not conflict with the COMMENT.
      await checkKey(connection, detail.shape.target, primaryKey);
    } catch (error) {
      const undo = commentSql(detail.shape.target, detail.comment);
      await this.#options.retries.run("ensure", () => connection.run(undo));
      this.invalidate();
      throw error;
    }
    await this.#mirrorKey(detail.shape.target, primaryKey, false);
  }

  /** Keeps the key that the table's comment tells in the mirror too. */
  async mirrorKey(target: Target): Promise<void> {
    try {
      const detail = await this.detail(target);
      if (!detail || detail.shape.primaryKey.length === 0) return;
      const known = (await this.#use(mirroredKeys)).get(detail.uuid) ?? [];
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
    const detail = await this.detail(target);
    if (!detail) return;
    const mirror = stateTable("primary_keys");
    await this.#use((connection) =>
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
    this.#mirror = undefined;
  }

  /** Throws `table_not_found` unless `ifExists`. */
  async dropTable(target: Target, options: { readonly ifExists?: boolean } = {}): Promise<void> {
    const sql = `DROP TABLE ${options.ifExists ? "IF EXISTS " : ""}${lakeTable(target)}`;
    await this.#define((connection) => this.#options.retries.run("ensure", () => connection.run(sql)));
    this.#invalidateOne(target);
  }

  /** The same for a transaction that defines tables. */
  async #define<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const release = await this.#options.holdDefinitions();
    try {
      return await this.#use(work);
    } finally {
      release();
    }
  }

  async #use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    using connection = await this.#options.connect();
    return await work(connection);
  }
}

/** The key's columns by the names that the table has. */
function keyColumns(shape: TableShape, columns: readonly string[]): string[] {
  const names = columns.map((name) => {
    const column = columnNamed(shape.columns, name);
    if (column) return column.name;
    const known = shape.columns.map((candidate) => candidate.name).join(", ");
    throw new EiderError(
      "schema_mismatch",
      `primary key column ${name} is not a column of ${targetName(shape.target)} (${known})`,
    );
  });
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new EiderError("request_invalid", `primary key names column ${twice} twice`);
  return names;
}

async function checkKey(connection: Connection, target: Target, primaryKey: readonly string[]): Promise<void> {
  const table = lakeTable(target);
  const list = primaryKey.map(quoteIdentifier).join(", ");
  const nulls = primaryKey.map((name) => `count(*) FILTER (${quoteIdentifier(name)} IS NULL)`).join(", ");
  const [row] = await connection.rows(`SELECT [${nulls}]::VARCHAR AS nulls FROM ${table}`);
  const counts = JSON.parse(String(row?.["nulls"])) as number[];
  const at = counts.findIndex((count) => count > 0);
  if (at >= 0) {
    throw new EiderError(
      "constraint_violated",
      `column ${primaryKey[at]} of ${targetName(target)} is NULL in ${counts[at]} rows, so it cannot be in the primary key`,
    );
  }
  const [pair] = await connection.rows(
    `SELECT (${primaryKey.map((name) => `${quoteIdentifier(name)}::VARCHAR`).join(" || ', ' || ")}) AS key, count(*) AS n
       FROM ${table} GROUP BY ${list} HAVING count(*) > 1 LIMIT 1`,
  );
  if (pair) {
    throw new EiderError(
      "constraint_violated",
      `${targetName(target)} has ${pair["n"]} rows with (${list}) = (${pair["key"]}); remove duplicates before setting the primary key`,
    );
  }
}
