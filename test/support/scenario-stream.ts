import { Int64 } from "apache-arrow";
import { encodeSchema } from "../../src/arrow/schema.ts";
import { must } from "../../src/base/assert.ts";
import { EiderError } from "../../src/errors.ts";
import type { ClientTraits, Prepared, RowStream, StatementInfo, StatementResult } from "../../src/flight/backend.ts";
import { framesOfColumns, schemaOf } from "./scenario-arrow.ts";

/** What a test may look at: how often things happened. */
export class ScenarioCounts {
  openedSessions = 0;
  closedSessions = 0;
  openPrepared = 0;
  openRows = 0;
  framesSent = 0;
  putsInFlight = 0;
  mostPutsInFlight = 0;
  openedIngests = 0;
  ingestsAborted = 0;
  clients: ClientTraits[] = [];
}

/** `SELECT n AS endless_stream`: n frames of 1 MiB, made only as fast as they are sent. */
const STREAM = /^SELECT (\d+) AS endless_stream$/;

export function streamOf(sql: string, counts: ScenarioCounts): Prepared | undefined {
  const match = STREAM.exec(sql);
  return match ? new StreamPrepared(Number(match[1]), counts) : undefined;
}

/** Frames of 1 MiB that are made when they are asked for. */
class StreamPrepared implements Prepared {
  readonly info: StatementInfo;
  readonly #count: number;
  readonly #counts: ScenarioCounts;
  readonly #schema = schemaOf(["value"], [new Int64()]);

  constructor(count: number, counts: ScenarioCounts) {
    this.#count = count;
    this.#counts = counts;
    this.info = { isUpdate: false, schema: encodeSchema(this.#schema), parameterSchema: undefined };
  }

  async describe(): Promise<Uint8Array | undefined> {
    return this.info.schema;
  }

  async execute(): Promise<StatementResult> {
    const counts = this.#counts;
    const total = this.#count;
    const [frame] = framesOfColumns(this.#schema, [Array.from({ length: 131_072 }, (_, index) => BigInt(index))]);
    let cancelled = false;
    counts.openRows++;
    const rows: RowStream = {
      schema: encodeSchema(this.#schema),
      async *frames() {
        for (let sent = 0; sent < total; sent++) {
          if (cancelled) throw new EiderError("cancelled", "the stream was cancelled");
          counts.framesSent++;
          yield must(frame, "a frame");
        }
      },
      cancel: () => {
        cancelled = true;
      },
      [Symbol.asyncDispose]: async () => void counts.openRows--,
    };
    return { kind: "rows", rows };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
