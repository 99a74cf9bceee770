import duckdb from "@duckdb/node-bindings";
import type { Connection } from "../duck/database.ts";

/**
 * Table functions without arguments whose rows are a list in this process, such as `eider_buffers()`. DuckDB calls back
 * on the main thread while the query runs on libuv's pool (https://duckdb.org/docs/stable/clients/c/table_functions).
 */

type CellType = "VARCHAR" | "BIGINT" | "DOUBLE" | "BOOLEAN" | "TIMESTAMP WITH TIME ZONE";

export interface TableFunctionColumn<Row> {
  readonly name: string;
  readonly type: CellType;
  /** Times are Unix milliseconds. */
  readonly value: (row: Row) => string | number | boolean | undefined;
}

const MAX_ROWS_PER_CALL = 2048;

const CELLS: Readonly<
  Record<CellType, { readonly type: number; readonly bytes: (value: unknown) => ArrayBuffer | undefined }>
> = {
  VARCHAR: { type: duckdb.Type.VARCHAR, bytes: () => undefined },
  BIGINT: { type: duckdb.Type.BIGINT, bytes: (value) => new BigInt64Array([BigInt(Math.trunc(Number(value)))]).buffer },
  DOUBLE: { type: duckdb.Type.DOUBLE, bytes: (value) => new Float64Array([Number(value)]).buffer },
  BOOLEAN: { type: duckdb.Type.BOOLEAN, bytes: (value) => new Uint8Array([value ? 1 : 0]).buffer },
  "TIMESTAMP WITH TIME ZONE": {
    type: duckdb.Type.TIMESTAMP_TZ,
    bytes: (value) => new BigInt64Array([BigInt(Math.trunc(Number(value))) * 1000n]).buffer,
  },
};

/** Registers `name()` for the whole instance of `connection`. */
export function registerTableFunction<Row>(
  connection: Connection,
  name: string,
  columns: ReadonlyArray<TableFunctionColumn<Row>>,
  rows: () => readonly Row[],
): void {
  const made = duckdb.create_table_function();
  duckdb.table_function_set_name(made, name);
  duckdb.table_function_set_bind(made, (info) => {
    for (const column of columns) {
      duckdb.bind_add_result_column(info, column.name, duckdb.create_logical_type(CELLS[column.type].type));
    }
  });
  duckdb.table_function_set_init(made, (info) => duckdb.init_set_init_data(info, { rows: [...rows()] }));
  duckdb.table_function_set_function(made, (info, chunk) => {
    const state = duckdb.function_get_init_data(info) as { rows: Row[] };
    const page = state.rows.splice(0, MAX_ROWS_PER_CALL);
    columns.forEach((column, i) => {
      const vector = duckdb.data_chunk_get_vector(chunk, i);
      page.forEach((row, at) => {
        writeCell(vector, at, column.type, column.value(row));
      });
    });
    duckdb.data_chunk_set_size(chunk, page.length);
  });
  duckdb.register_table_function(connection.handle, made);
}

function writeCell(
  vector: duckdb.Vector,
  row: number,
  type: CellType,
  value: string | number | boolean | undefined,
): void {
  if (value === undefined) {
    duckdb.vector_ensure_validity_writable(vector);
    const byte = Math.floor(row / 8);
    const validity = duckdb.vector_get_validity(vector, MAX_ROWS_PER_CALL / 8);
    const cleared = new Uint8Array([(validity[byte] ?? 0xff) & ~(1 << (row % 8))]);
    duckdb.copy_data_to_vector_validity(vector, byte, cleared.buffer, 0, 1);
    return;
  }
  const bytes = CELLS[type].bytes(value);
  if (bytes === undefined) duckdb.vector_assign_string_element(vector, row, String(value));
  else duckdb.copy_data_to_vector(vector, row * bytes.byteLength, bytes, 0, bytes.byteLength);
}
