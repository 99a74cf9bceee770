import type { Connection } from "../duck/database.ts";
import { LAKE, quoteLiteral } from "../duck/sql.ts";

/** DuckLake's own tables, in the catalog's database (https://ducklake.select/docs/stable/specification/tables/overview). */
export const METADATA = `__ducklake_metadata_${LAKE}`;

/** Reads DuckLake's own tables. */
export class Metadata {
  readonly #queryFunction: string | undefined;

  /** `queryFunction`: see the table of catalogs. */
  constructor(queryFunction: string | undefined) {
    this.#queryFunction = queryFunction;
  }

  /** `sql` names the tables `METADATA.ducklake_…` and its values, which are texts, `$1`, `$2` and so on. */
  rows(connection: Connection, sql: string, values: readonly string[] = []): Promise<Array<Record<string, unknown>>> {
    if (this.#queryFunction === undefined) return connection.rows(sql, [...values]);
    const remote = sql
      .replaceAll(`${METADATA}.`, "")
      .replace(/\$(\d+)/g, (_, at: string) => quoteLiteral(values[Number(at) - 1] ?? ""));
    return connection.rows(`FROM ${this.#queryFunction}(${quoteLiteral(METADATA)}, ${quoteLiteral(remote)})`);
  }
}
