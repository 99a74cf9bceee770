import { NO_COLUMNS } from "../arrow/schema.ts";
import { EiderError } from "../errors.ts";
import type { ExecuteOptions, Frame, Parameters, Prepared, RowStream, StatementResult } from "./backend.ts";

/** The backend's statement, used by the handle that the client closes and by the results still to be read from it. */
export class SharedStatement {
  readonly prepared: Prepared;
  #users = 1;

  constructor(prepared: Prepared) {
    this.prepared = prepared;
  }

  retain(): this {
    this.#users++;
    return this;
  }

  async release(): Promise<void> {
    if (--this.#users === 0) await this.prepared[Symbol.asyncDispose]();
  }
}

/** A result that a ticket stands for: planned, or rows that an executed statement has returned already. */
export interface PendingResult {
  /** Another one of the same statement; only there when the ticket may be redeemed again. */
  readonly repeat: (() => PendingResult) | undefined;
  open(signal: AbortSignal): Promise<RowStream>;
  discard(): Promise<void>;
}

/** Runs when the ticket is redeemed, so that cancelling the stream cancels the statement. Takes over one use. */
export class PlannedResult implements PendingResult {
  readonly repeat: (() => PendingResult) | undefined;
  readonly #statement: SharedStatement;
  readonly #parameters: Parameters | undefined;
  readonly #options: ExecuteOptions;

  constructor(
    statement: SharedStatement,
    parameters: Parameters | undefined,
    options: ExecuteOptions,
    isRepeatable = false,
  ) {
    this.repeat = isRepeatable ? () => new PlannedResult(statement.retain(), parameters, options) : undefined;
    this.#statement = statement;
    this.#parameters = parameters;
    this.#options = options;
  }

  async open(signal: AbortSignal): Promise<RowStream> {
    try {
      // The backend listens from then on: it would not hear of what has happened.
      if (signal.aborted) throw signal.reason;
      const result = await this.#statement.prepared.execute(this.#parameters, { ...this.#options, signal });
      const rows = result.kind === "rows" ? result.rows : NO_ROWS;
      return new OwningRows(rows, () => this.#statement.release());
    } catch (error) {
      await this.#statement.release();
      throw error;
    }
  }

  discard(): Promise<void> {
    return this.#statement.release();
  }
}

/** Rows of a statement that has been executed. Takes over one use of it. */
export class OpenResult implements PendingResult {
  readonly repeat = undefined;
  readonly #rows: RowStream;

  constructor(statement: SharedStatement, rows: RowStream) {
    this.#rows = new OwningRows(rows, () => statement.release());
  }

  async open(): Promise<RowStream> {
    return this.#rows;
  }

  async discard(): Promise<void> {
    this.#rows.cancel();
    await this.#rows[Symbol.asyncDispose]();
  }
}

class OwningRows implements RowStream {
  readonly schema: Uint8Array;
  readonly #rows: RowStream;
  readonly #release: () => Promise<void>;

  constructor(rows: RowStream, release: () => Promise<void>) {
    this.schema = rows.schema;
    this.#rows = rows;
    this.#release = release;
  }

  frames(): AsyncIterable<Frame> {
    return this.#rows.frames();
  }

  cancel(): void {
    this.#rows.cancel();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#rows[Symbol.asyncDispose]();
    } finally {
      await this.#release();
    }
  }
}

/** DoGet must begin with a schema, also for a statement that returned a count. */
const NO_ROWS: RowStream = {
  schema: NO_COLUMNS,
  async *frames() {},
  cancel: () => undefined,
  async [Symbol.asyncDispose]() {},
};

/** The frames of a result, the schema first. Aborting the signal cancels the statement. Closes the rows. */
export async function* framesOf(rows: RowStream, signal: AbortSignal): AsyncGenerator<Frame> {
  const cancel = () => rows.cancel();
  signal.addEventListener("abort", cancel, { once: true });
  try {
    if (signal.aborted) throw signal.reason;
    yield { header: rows.schema, body: new Uint8Array(0) };
    yield* rows.frames();
  } finally {
    signal.removeEventListener("abort", cancel);
    await rows[Symbol.asyncDispose]();
  }
}

/** Number of rows changed; -1 for a statement that returned rows: it is run to its end, as a procedure may need. */
export async function countOf(result: StatementResult, signal: AbortSignal): Promise<number> {
  if (result.kind === "count") return result.count;
  for await (const _frame of framesOf(result.rows, signal)) if (signal.aborted) throw signal.reason;
  return -1;
}

export function checkedHandle(bytes: Uint8Array | undefined, what: string): string {
  if (!bytes || bytes.length === 0) throw new EiderError("request_invalid", `the ${what} is empty`);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}
