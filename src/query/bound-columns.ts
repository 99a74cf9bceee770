import duckdb from "@duckdb/node-bindings";
import type { Connection } from "../duck/database.ts";
import { fromDuckError } from "../duck/errors.ts";
import { DuckDBDataChunk } from "../duck/node-api.ts";
import { type ParameterSet, Statement } from "./statement.ts";
import { logicalTypes } from "./table-schemas.ts";

/**
 * Columns of a SELECT with these parameters, without running it. DuckDB plans anew for parameters of other types than it
 * expected (`coalesce(i, ?)` given a BIGINT), and the result's types may change with them; before it runs it tells of that
 * in DESCRIBE alone.
 */
export async function boundColumns(
  connection: Connection,
  sql: string,
  set: ParameterSet,
): Promise<Array<{ name: string; type: duckdb.LogicalType }>> {
  const described = await describe(connection, sql, set);
  const types = await logicalTypes(connection, [...new Set(described.map(({ type }) => type))]);
  return described.flatMap(({ name, type }) => {
    const logical = types.get(type);
    return logical ? { name, type: logical } : [];
  });
}

async function describe(
  connection: Connection,
  sql: string,
  set: ParameterSet,
): Promise<Array<{ name: string; type: string }>> {
  const statement = await Statement.prepare(connection, `DESCRIBE ${sql}`);
  try {
    statement.bind(set);
    const result = await connection.track("run", duckdb.execute_prepared(statement.handle));
    const columns: Array<{ name: string; type: string }> = [];
    for (let chunk = await duckdb.fetch_chunk(result); chunk; chunk = await duckdb.fetch_chunk(result)) {
      if (duckdb.data_chunk_get_size(chunk) === 0) break;
      for (const [name, type] of new DuckDBDataChunk(chunk).getRows()) {
        columns.push({ name: String(name), type: String(type) });
      }
    }
    return columns;
  } catch (error) {
    throw fromDuckError(error);
  } finally {
    statement.close();
  }
}
