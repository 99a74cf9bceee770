import type { Connection } from "../duck/database.ts";
import { EiderError } from "../errors.ts";
import type { Slot } from "./slot.ts";
import { type ParameterSet, Statement } from "./statement.ts";

/**
 * What went wrong in a result that broke off. DuckDB's binding (1.5.5) ends such a result as if it were complete and
 * gives no text; only `result_is_streaming` then says no.
 */
export interface StreamSource {
  /** A connection beside the one that the result failed on. */
  readonly detached: () => Promise<Connection>;
  readonly sql: string;
  readonly set: ParameterSet;
  /** Nothing is changed by running it again. */
  readonly canRepeat: boolean;
}

/** How much longer than the first run the repetition may take. */
const PATIENCE = 2;
const LEAST_PATIENCE_MS = 2000;

/**
 * Finds DuckDB's own words by running the query again without its rows (EXPLAIN ANALYZE), since "Conversion Error: could
 * not convert 'x'" is what a user needs. Resolves to an error that tells less when that gives none in about the time that
 * the first run took. To be called while the slot is still occupied.
 */
export async function failureOf(slot: Slot, source: StreamSource | undefined, ranMs: number): Promise<EiderError> {
  if (slot.connection.isClosed) {
    return new EiderError("lake_unavailable", "the engine was restarted after a fatal error; run the query again");
  }
  const found = source?.canRepeat ? await repeat(slot, source, ranMs).catch(() => undefined) : undefined;
  return (
    found ??
    new EiderError("internal", "DuckDB ended the result with an error before it was complete and does not say why")
  );
}

async function repeat(
  slot: Slot,
  { detached, sql, set }: StreamSource,
  ranMs: number,
): Promise<EiderError | undefined> {
  // The transaction that it failed in takes no other statement.
  const own = slot.isInTransaction ? await detached() : undefined;
  try {
    return await errorOf(own ?? slot.connection, `EXPLAIN ANALYZE ${sql}`, set, ranMs);
  } finally {
    own?.close();
  }
}

async function errorOf(
  connection: Connection,
  sql: string,
  set: ParameterSet,
  ranMs: number,
): Promise<EiderError | undefined> {
  // An error here is about the repetition: a table of the transaction, for example, that is not there.
  const statement = await Statement.prepare(connection, sql);
  let isLate = false;
  const timer = setTimeout(
    () => {
      isLate = true;
      connection.interrupt();
    },
    Math.max(LEAST_PATIENCE_MS, PATIENCE * ranMs),
  );
  try {
    statement.bind(set);
    await statement.execute();
    return undefined;
  } catch (error) {
    return error instanceof EiderError && !isLate ? error : undefined;
  } finally {
    clearTimeout(timer);
    statement.close();
  }
}
