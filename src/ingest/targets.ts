import { decodeSchema } from "../arrow/schema.ts";
import { columnsOf, refuseUnstorable } from "../arrow/types.ts";
import type { Column, TableShape } from "../base/table.ts";
import { type Target, targetName } from "../base/target.ts";
import { EiderError } from "../errors.ts";
import { describeVisible } from "../lake/visible-table.ts";
import type { SqlSession, Transaction } from "../query/sql-session.ts";
import type { IngestServices } from "./services.ts";

/** Columns that were found storable: those of a schema that is sent over and over are the same object. */
const storable = new WeakSet<readonly Column[]>();

/** The columns that a stream's schema message stands for; refuses what the lake cannot store, by name. */
export function storableColumns(schema: Uint8Array): readonly Column[] {
  const columns = columnsOf(decodeSchema(schema));
  if (storable.has(columns)) return columns;
  for (const column of columns) refuseUnstorable(column);
  if (columns.length === 0) {
    throw new EiderError("schema_mismatch", "the stream's schema has no columns, so no table can be made of it");
  }
  refuseTwice(columns);
  storable.add(columns);
  return columns;
}

/** The target's table and a buffer for it; a missing table is made of `columns` when that is allowed. */
export async function readyBuffer(
  services: IngestServices,
  target: Target,
  columns: () => readonly Column[],
): Promise<TableShape> {
  const shape = (await describeNow(services, target)) ?? (await autoCreate(services, target, columns));
  // The watermark matters to a buffer that is new to this process; asking costs a query.
  const watermark = services.buffers.hasBuffer(shape.target) ? 0 : await services.lake.lastSeq(shape.target);
  await services.buffers.ensureBuffer(shape, watermark);
  return shape;
}

/** The table as the lake has it; while its catalog is away as the buffer had it last. */
function describeNow({ lake, buffers }: IngestServices, target: Target): Promise<TableShape | undefined> {
  const known = buffers.shapeOf(target);
  return known ? lake.describeOr(target, known) : lake.describe(target);
}

/** The table as the writer sees it: in a transaction with what that has made itself. */
export async function describeFor(
  services: IngestServices,
  sql: SqlSession,
  transaction: Transaction | undefined,
  target: Target,
): Promise<TableShape | undefined> {
  if (!transaction?.hasBegun) return describeNow(services, target);
  const visible = await sql.onSlot(transaction, (slot) => describeVisible(slot.connection, target));
  if (!visible || visible.primaryKey.length > 0 || transaction.holdsDefinitions) return visible;
  // It has changed no table, so that this is the committed one, whose key a comment of the user's may have hidden.
  const committed = await services.lake.describe(target);
  return { ...visible, primaryKey: committed?.primaryKey ?? [] };
}

/** The table that is to be made of a stream's columns; throws when that is not allowed. */
export function newTable(services: IngestServices, target: Target, columns: readonly Column[]): TableShape {
  if (services.autoCreateTables) return { target, columns, primaryKey: [] };
  throw new EiderError(
    "table_not_found",
    `table ${targetName(target)} does not exist and auto_create_tables is off; CREATE TABLE it first`,
  );
}

/** DuckDB would say that the column exists already, which ingests say of tables. */
function refuseTwice(columns: readonly Column[]): void {
  const names = new Set<string>();
  for (const { name } of columns) {
    const key = name.toLowerCase();
    if (names.has(key)) {
      throw new EiderError("schema_mismatch", `two columns are called "${name}" (names ignore case); rename one`);
    }
    names.add(key);
  }
}

async function autoCreate(
  services: IngestServices,
  target: Target,
  columns: () => readonly Column[],
): Promise<TableShape> {
  await services.lake.createTable(newTable(services, target, services.autoCreateTables ? columns() : []), {
    ifNotExists: true,
  });
  const shape = await services.lake.describe(target);
  if (shape) return shape;
  throw new EiderError(
    "table_not_found",
    `${targetName(target)} is a view, or a table that was dropped at this moment: rows can be written to tables alone`,
  );
}
