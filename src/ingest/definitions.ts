import type { Lake } from "../lake/lake.ts";
import type { Transaction } from "../query/sql-session.ts";

/**
 * Runs a statement that defines tables: alone until it has ended, and in a transaction until that has. Descriptions of
 * tables are read anew afterwards.
 */
export async function whileDefining<T>(
  lake: Lake,
  transaction: Transaction | undefined,
  work: () => Promise<T>,
): Promise<T> {
  if (!transaction) {
    try {
      return await lake.define(work);
    } finally {
      lake.invalidate();
    }
  }
  let release: (() => void) | undefined;
  if (!transaction.holdsDefinitions) {
    release = await lake.holdDefinitions();
    transaction.holdsDefinitions = true;
    transaction.atEnd(async () => {
      release?.();
      lake.invalidate();
    });
  }
  try {
    return await work();
  } catch (error) {
    // It has defined nothing, and its client may take long to end what could not begin.
    if (release && !transaction.hasBegun) {
      transaction.holdsDefinitions = false;
      release();
    }
    throw error;
  } finally {
    lake.invalidate();
  }
}
