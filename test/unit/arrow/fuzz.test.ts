import type { Schema } from "apache-arrow";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BatchDecoder } from "../../../src/arrow/decode.ts";
import type { Frame } from "../../../src/arrow/read.ts";
import { decodeSchema } from "../../../src/arrow/schema.ts";
import { EiderError } from "../../../src/errors.ts";
import { Engine } from "./engine.ts";
import { fixture } from "./streams.ts";

/**
 * Damaged messages: each is either decoded or refused with an error that is the client's. What is decoded goes into a
 * DuckDB table and is read back, since a wrong length or pointer shows there. EIDER_FUZZ_CASES sets the number of cases.
 */
const CASES = Number(process.env["EIDER_FUZZ_CASES"] ?? 3000);
const LIMIT_MS = Math.max(120_000, CASES * 100);
const NAMES = [
  "primitives",
  "texts",
  "temporals",
  "decimals",
  "nested",
  "dictionaries",
  "extensions",
  "batches",
  "dictionary-delta",
  "texts-lz4",
  "nested-lz4",
  "primitives-zstd",
  "scales",
] as const;
const CLIENT_ERRORS = new Set(["request_invalid", "type_unsupported"]);

interface Mutation {
  readonly kind: "flip" | "int32" | "int64" | "cut" | "zero";
  /** Which message of the stream (0 is the schema) and which of its two parts. */
  readonly message: number;
  readonly inBody: boolean;
  readonly at: number;
  readonly value: number;
}

const INTERESTING = [0, 1, -1, 7, 8, 12, 13, 16, 255, 2047, 2048, 65_536, 2 ** 31 - 1, -(2 ** 31), 1_000_000];

const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom("flip", "int32", "int64", "cut", "zero"),
  message: fc.nat(4),
  inBody: fc.boolean(),
  at: fc.nat(1_000_000),
  value: fc.oneof(fc.constantFrom(...INTERESTING), fc.integer({ min: -64, max: 4096 }), fc.integer()),
});

function mutate(part: Uint8Array, { kind, at, value }: Mutation): Uint8Array {
  const bytes = part.slice();
  if (bytes.byteLength < 8) return bytes;
  const view = new DataView(bytes.buffer);
  const position = at % bytes.byteLength;
  const word = Math.min(position & ~3, bytes.byteLength - 8);
  if (kind === "flip") bytes[position] = (bytes[position] ?? 0) ^ (1 << (value & 7));
  else if (kind === "int32") view.setInt32(word, value, true);
  else if (kind === "int64") view.setBigInt64(word, BigInt(value), true);
  else if (kind === "cut") return bytes.slice(0, position);
  else bytes.fill(0, position, position + Math.abs(value % 64));
  return bytes;
}

const STREAMS = new Map(NAMES.map((name) => [name as string, fixture(name)]));

let engine: Engine;
let tables = new Map<string, string>();
beforeAll(async () => {
  engine = await Engine.open();
  tables = new Map();
});
afterAll(() => engine[Symbol.asyncDispose]());

async function tableFor(schema: Schema, isMutated: boolean): Promise<string | undefined> {
  const key = isMutated ? "mutant" : String(schema);
  const known = tables.get(key);
  if (known !== undefined && !isMutated) return known;
  const name = known ?? `fuzz_${tables.size}`;
  try {
    await engine.createTable(name, schema);
  } catch {
    // A mutated name may be no name to DuckDB.
    return undefined;
  }
  tables.set(key, name);
  return name;
}

function refusalOf(error: unknown): EiderError {
  if (error instanceof EiderError && CLIENT_ERRORS.has(error.code)) return error;
  throw error;
}

async function runCase(name: string, mutations: readonly Mutation[]): Promise<"taken" | "refused"> {
  const stream = STREAMS.get(name) ?? fixture(name);
  const messages: Frame[] = [{ header: stream.header, body: new Uint8Array(0) }, ...stream.frames];
  for (const each of mutations) {
    const index = each.message % messages.length;
    const message = messages[index] as Frame;
    messages[index] = each.inBody
      ? { header: message.header, body: mutate(message.body, each) }
      : { header: mutate(message.header, each), body: message.body };
  }
  const [schemaMessage, ...frames] = messages as [Frame, ...Frame[]];
  let schema: Schema;
  try {
    schema = decodeSchema(schemaMessage.header);
  } catch (error) {
    refusalOf(error);
    return "refused";
  }
  const intact: Frame[] = [];
  try {
    const decoder = new BatchDecoder(schema, { maxDecompressedBytes: 4 * 2 ** 20 });
    for (const frame of frames) {
      decoder.decode(frame);
      intact.push(frame);
    }
  } catch (error) {
    refusalOf(error);
  }
  const isMutated = schemaMessage.header !== stream.header;
  const table = intact.length > 0 ? await tableFor(schema, isMutated) : undefined;
  if (table !== undefined) {
    await engine.run(`DELETE FROM ${table}`);
    const count = engine.append(table, schema, intact);
    const [row] = await engine.rows(`SELECT count(*) AS n, bit_xor(hash(t)) AS h FROM ${table} t`);
    expect(row?.["n"]).toBe(BigInt(count));
  }
  return intact.length === frames.length ? "taken" : "refused";
}

test(
  `${CASES} damaged streams are decoded or refused, and never read amiss`,
  async () => {
    const outcomes = { taken: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...NAMES),
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        async (name, mutations) => {
          outcomes[await runCase(name, mutations)]++;
        },
      ),
      { numRuns: CASES },
    );
    // Both ways must be taken, or the mutations test nothing.
    expect(outcomes.taken).toBeGreaterThan(CASES / 20);
    expect(outcomes.refused).toBeGreaterThan(CASES / 20);
  },
  LIMIT_MS,
);

test("cutting a message anywhere is refused or harmless", async () => {
  for (const name of ["primitives", "texts", "nested", "dictionaries"]) {
    const { header, frames } = fixture(name);
    const schema = decodeSchema(header);
    for (let end = 0; end < header.byteLength; end += 5) {
      try {
        decodeSchema(header.slice(0, end));
      } catch (error) {
        refusalOf(error);
      }
    }
    const last = frames.at(-1) as Frame;
    for (let end = 0; end < last.body.byteLength; end += 13) {
      expect(() => new BatchDecoder(schema).decode({ header: last.header, body: last.body.slice(0, end) })).toThrow(
        EiderError,
      );
    }
  }
});
