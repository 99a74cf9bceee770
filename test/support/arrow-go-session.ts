import { type DataType, Field, Int32, Int64, Schema, Uint32 } from "apache-arrow";
import { encodeSchema } from "../../src/arrow/schema.ts";
import { must } from "../../src/base/assert.ts";
import type {
  EndpointTraits,
  ExecuteOptions,
  IngestOptions,
  IngestStream,
  Prepared,
  RowStream,
  SessionOptionValue,
  StatementInfo,
  StatementResult,
} from "../../src/flight/backend.ts";
import { framesOfColumns } from "./scenario-arrow.ts";
import { ScenarioSession } from "./scenario-backend.ts";

/** What the scenarios of arrow-go's integration client expect behind a server (arrow/internal/flight_integration). */

const columnMetadata = new Map(
  Object.entries({
    TABLE_NAME: "test",
    IS_AUTO_INCREMENT: "1",
    IS_CASE_SENSITIVE: "0",
    TYPE_NAME: "type_test",
    SCHEMA_NAME: "schema_test",
    IS_SEARCHABLE: "1",
    CATALOG_NAME: "catalog_test",
    PRECISION: "100",
    REMARKS: "test column",
  }).map(([name, value]) => [`ARROW:FLIGHT:SQL:${name}`, value]),
);
const QUERY = new Schema([new Field("id", new Int64(), true, columnMetadata)]);
const numbers = (type: DataType) => new Schema([new Field("number", type, false)]);

/** Statements by their text; of those with rows a batch for each list. */
const STATEMENTS: Readonly<Record<string, () => Prepared>> = {
  ordered: () =>
    rowsOf(numbers(new Int32()), [
      [1, 2, 3],
      [10, 20, 30],
      [100, 200, 300],
    ]),
  expiration_time: () => endpointsOf(numbers(new Uint32()), [once, repeatable, repeatable]),
  reuse: () => rowsOf(QUERY, []),
  foobar: () => rowsOf(QUERY, []),
  "SELECT STATEMENT": () => rowsOf(QUERY, []),
  "SELECT PREPARED STATEMENT": () => rowsOf(QUERY, []),
  "UPDATE STATEMENT": () => new CountStatement(10_000),
  "UPDATE PREPARED STATEMENT": () => new CountStatement(20_000),
  "heavy query": () => new HeavyStatement(),
};

export class ArrowGoSession extends ScenarioSession {
  /** What was asked for, by all sessions. */
  static readonly ingests: IngestOptions[] = [];
  readonly #options = new Map<string, SessionOptionValue>();

  override async prepare(sql: string, options: ExecuteOptions): Promise<Prepared> {
    return STATEMENTS[sql]?.() ?? (await super.prepare(sql, options));
  }

  override async ingest(options: IngestOptions, schema: Uint8Array): Promise<IngestStream> {
    ArrowGoSession.ingests.push(options);
    return super.ingest(options, schema);
  }

  override async getOptions(): Promise<Record<string, SessionOptionValue>> {
    return Object.fromEntries(this.#options);
  }

  override async setOptions(
    options: Readonly<Record<string, SessionOptionValue | undefined>>,
  ): Promise<Record<string, "invalid_name" | "invalid_value" | "error">> {
    const errors: Record<string, "invalid_name" | "invalid_value"> = {};
    for (const [name, value] of Object.entries(options)) {
      if (name === "lol_invalid") errors[name] = "invalid_name";
      else if (value === "lol_invalid") errors[name] = "invalid_value";
      else if (value === undefined) this.#options.delete(name);
      else this.#options.set(name, value);
    }
    return errors;
  }
}

function rowsOf(schema: Schema, batches: ReadonlyArray<readonly number[]>): Prepared {
  const header = encodeSchema(schema);
  const rows: RowStream = {
    schema: header,
    async *frames() {
      for (const values of batches) yield* framesOfColumns(schema, [values]);
    },
    cancel: () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  return {
    info: { isUpdate: false, schema: header, parameterSchema: undefined },
    describe: async () => header,
    execute: async () => ({ kind: "rows", rows }),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

const once: EndpointTraits = { isRepeatable: false };
const repeatable: EndpointTraits = { isRepeatable: true };

/** Of each endpoint one row, its number. */
function endpointsOf(schema: Schema, endpoints: readonly EndpointTraits[]): Prepared {
  const { info } = rowsOf(schema, []);
  return {
    info: { ...info, endpoints },
    execute: (parameters, options) => rowsOf(schema, [[options.endpoint ?? 0]]).execute(parameters, options),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

class CountStatement implements Prepared {
  readonly info: StatementInfo = { isUpdate: true, schema: undefined, parameterSchema: undefined };
  readonly #count: number;

  constructor(count: number) {
    this.#count = count;
  }

  async execute(): Promise<StatementResult> {
    return { kind: "count", count: this.#count };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** Runs until somebody has asked how far it is. */
class HeavyStatement extends CountStatement {
  readonly #asked: Promise<void>;
  #ask: (() => void) | undefined;

  constructor() {
    super(1);
    this.#asked = new Promise((resolve) => {
      this.#ask = resolve;
    });
  }

  override async execute(): Promise<StatementResult> {
    await this.#asked;
    return super.execute();
  }

  progress(): number {
    must(this.#ask, "a promise to keep")();
    return 0.1;
  }
}
