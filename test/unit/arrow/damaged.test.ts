import {
  Binary,
  Bool,
  type DataType,
  Dictionary,
  Field,
  FixedSizeList,
  Int8,
  Int32,
  Int64,
  LargeUtf8,
  List,
  Map_,
  Null,
  Schema,
  Struct,
  Utf8,
  Utf8View,
} from "apache-arrow";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BatchDecoder } from "../../../src/arrow/decode.ts";
import { type BuiltBatch, buildBatch, buildDictionary, NONE } from "./build.ts";
import { Engine } from "./engine.ts";
import { fixture, schemaOf } from "./streams.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await Engine.open();
});
afterAll(() => engine[Symbol.asyncDispose]());

const list = (child: DataType) => new List(new Field("item", child, true));
const entries = (key: DataType, value: DataType) =>
  new Map_(
    new Field(
      "entries",
      new Struct([new Field("key", key), new Field("value", value, true)] as Field[]),
      false,
    ) as never,
  );
const text = (value: string) => new TextEncoder().encode(value);
const int64 = (...values: bigint[]) => BigInt64Array.from(values);
const int32 = (...values: number[]) => Int32Array.from(values);

function decode({ schema, frame }: BuiltBatch): void {
  new BatchDecoder(schema, { maxDecompressedBytes: 2 ** 20 }).decode(frame);
}

const DAMAGED: ReadonlyArray<readonly [name: string, batch: BuiltBatch, message: RegExp]> = [
  ["fewer bytes than rows", buildBatch(new Int64(), 3, [NONE, int64(1n, 2n)]), /column "v" has 16 bytes.*need 24/],
  [
    "a short validity bitmap",
    buildBatch(new Int8(), 9, [Uint8Array.of(1), new Uint8Array(9)]),
    /validity bitmap of 1 bytes/,
  ],
  ["NULLs without a bitmap", buildBatch(new Int8(), 2, [NONE, new Uint8Array(2)], [[2, 1]]), /claims 1 NULLs but/],
  ["more NULLs than rows", buildBatch(new Int8(), 2, [NONE, new Uint8Array(2)], [[2, 3]]), /claims 3 NULLs in 2 rows/],
  [
    "another length than the batch",
    buildBatch(new Int8(), 3, [NONE, new Uint8Array(2)], [[2, 0]]),
    /2 rows in a batch of 3/,
  ],
  ["a missing buffer", buildBatch(new Int8(), 1, [NONE]), /lacks a buffer/],
  [
    "a buffer too many",
    buildBatch(
      new Int8(),
      1,
      [NONE, NONE, NONE].map(() => new Uint8Array(1)),
    ),
    /3 buffers where the schema has 2/,
  ],
  [
    "falling offsets",
    buildBatch(new Utf8(), 2, [NONE, int32(0, 2, 1), text("ab")]),
    /offsets of column "v" do not rise/,
  ],
  ["a negative offset", buildBatch(new Utf8(), 1, [NONE, int32(-1, 1), text("ab")]), /do not rise/],
  [
    "an offset beyond the text",
    buildBatch(new Utf8(), 1, [NONE, int32(0, 9), text("ab")]),
    /reach 9, but its data ends at 2/,
  ],
  ["too few offsets", buildBatch(new Utf8(), 3, [NONE, int32(0, 1), text("ab")]), /8 bytes, but its rows need 16/],
  [
    "a large offset beyond 2 GiB",
    buildBatch(new LargeUtf8(), 1, [NONE, int64(0n, 2n ** 32n), text("ab")]),
    /beyond 2 GiB/,
  ],
  [
    "invalid UTF-8",
    buildBatch(new Utf8(), 2, [NONE, int32(0, 1, 3), Uint8Array.of(65, 0xff, 0xfe)]),
    /row 2 is not valid UTF-8/,
  ],
  ["a character cut in two", buildBatch(new Utf8(), 2, [NONE, int32(0, 1, 2), text("ü")]), /row 1 is not valid UTF-8/],
  ["a surrogate", buildBatch(new Utf8(), 1, [NONE, int32(0, 3), Uint8Array.of(0xed, 0xa0, 0x80)]), /not valid UTF-8/],
  [
    "a list beyond its child",
    buildBatch(
      list(new Int8()),
      1,
      [NONE, int32(0, 3), NONE, new Uint8Array(2)],
      [
        [1, 0],
        [2, 0],
      ],
    ),
    /reach 3, but its data ends at 2/,
  ],
  [
    "a struct longer than its member",
    buildBatch(
      new Struct([new Field("m", new Int8(), true)]),
      2,
      [NONE, NONE, new Uint8Array(1)],
      [
        [2, 0],
        [1, 0],
      ],
    ),
    /column "v\.m" has 1 rows where its struct has 2/,
  ],
  [
    "a fixed list beyond its child",
    buildBatch(
      new FixedSizeList(2, new Field("item", new Int8(), true)),
      2,
      [NONE, NONE, new Uint8Array(3)],
      [
        [2, 0],
        [3, 0],
      ],
    ),
    /reach 4, but its data ends at 3/,
  ],
  [
    "a fixed list of an absurd size",
    buildBatch(
      new FixedSizeList(2 ** 31 - 1, new Field("item", new Null(), true)),
      2,
      [NONE],
      [
        [2, 0],
        [2, 0],
      ],
    ),
    /claims 4294967294 rows/,
  ],
  [
    "an absurd number of rows without bytes",
    buildBatch(new Null(), 2 ** 40, []),
    /the batch claims 1099511627776 rows/,
  ],
  [
    "views without a number of buffers",
    buildBatch(new Utf8View(), 1, [NONE, int32(20, 0, 0, 0), new Uint8Array(30)]),
    /lacks its number of data buffers/,
  ],
  [
    "a view beyond its buffer",
    buildBatch(new Utf8View(), 1, [NONE, int32(20, 0, 0, 11), new Uint8Array(30)], [[1, 0]], [1]),
    /row 1 points outside of its data/,
  ],
  [
    "a view of a buffer that is not there",
    buildBatch(new Utf8View(), 1, [NONE, int32(20, 0, 1, 0), new Uint8Array(30)], [[1, 0]], [1]),
    /row 1 points outside of its data/,
  ],
  [
    "a view of negative length",
    buildBatch(new Utf8View(), 1, [NONE, int32(-1, 0, 0, 0)], [[1, 0]], [0]),
    /has the length -1/,
  ],
  [
    "an index without its dictionary",
    buildBatch(new Dictionary(new Utf8(), new Int32(), 0), 1, [NONE, int32(5)]),
    /dictionary 0 was not sent/,
  ],
  [
    "a map with a NULL key",
    buildBatch(
      entries(new Int8(), new Int8()),
      1,
      [NONE, int32(0, 1), NONE, Uint8Array.of(0), new Uint8Array(1), NONE, new Uint8Array(1)],
      [
        [1, 0],
        [1, 0],
        [1, 1],
        [1, 0],
      ],
    ),
    /a map's key must not be NULL/,
  ],
  [
    "a map with one key twice",
    buildBatch(
      entries(new Int8(), new Int8()),
      1,
      [NONE, int32(0, 2), NONE, NONE, Uint8Array.of(7, 7), NONE, new Uint8Array(2)],
      [
        [1, 0],
        [2, 0],
        [2, 0],
        [2, 0],
      ],
    ),
    /a map has one key twice/,
  ],
];

describe("a damaged batch is refused and the column named", () => {
  test.each(DAMAGED)("%s", (_name, batch, message) => {
    expect(() => decode(batch)).toThrow(message);
    expect(() => decode(batch)).toThrow(expect.objectContaining({ code: "request_invalid" }));
  });
});

test("an index beyond the dictionary, and a dictionary that the schema does not have", () => {
  const { schema, frame } = buildBatch(new Dictionary(new Utf8(), new Int8(), 4), 1, [NONE, Int8Array.of(2)]);
  const decoder = new BatchDecoder(schema);
  decoder.decode(buildDictionary(4, 2, [NONE, int32(0, 1, 2), text("ab")]));
  expect(() => decoder.decode(frame)).toThrow(/column "v" row 1 has the index 2 in a dictionary of 2/);
  decoder.decode(buildDictionary(4, 1, [NONE, int32(0, 1), text("c")], true));
  expect(decoder.decode(frame)?.columns[0]?.data).toEqual(text("c"));
  expect(() => decoder.decode(buildDictionary(5, 0, [NONE, NONE, NONE]))).toThrow(/no dictionary 5/);
});

test("what follows a refused dictionary is refused, too, and not read by the dictionary before it", () => {
  const { schema, frame } = buildBatch(new Dictionary(new Utf8(), new Int8(), 4), 1, [NONE, Int8Array.of(0)]);
  const refused: [ReturnType<typeof buildDictionary>, RegExp][] = [
    [buildDictionary(5, 1, [NONE, int32(0, 1), text("b")]), /no dictionary 5/],
    [buildDictionary(4, 1, [NONE, int32(0, 9), text("b")]), /malformed/],
  ];
  for (const [dictionary, message] of refused) {
    const decoder = new BatchDecoder(schema);
    decoder.decode(buildDictionary(4, 1, [NONE, int32(0, 1), text("a")]));
    expect(decoder.decode(frame)?.columns[0]?.data).toEqual(text("a"));
    expect(() => decoder.decode(dictionary)).toThrow(message);
    expect(() => decoder.decode(frame)).toThrow(message);
  }
});

test("a NULL value of a dictionary may have bytes", async () => {
  const type = new Dictionary(new Utf8(), new Int8(), 4);
  const { schema, frame } = buildBatch(type, 4, [NONE, Int8Array.of(0, 1, 2, 1)]);
  const values = buildDictionary(4, 3, [Uint8Array.of(0b101), int32(0, 1, 21, 22), text("abytes beneath a NULLu")]);
  await engine.createTable("target", schema);
  engine.append("target", schema, [values, frame]);
  expect(await engine.texts("target", schema)).toEqual([["a"], [null], ["u"], [null]]);
});

test("a NULL's bytes need not be text", async () => {
  const bytes = Uint8Array.of(65, 0xff, 0xfe, 66, 0x80);
  const { schema, frame } = buildBatch(new Utf8(), 4, [Uint8Array.of(0b0101), int32(0, 1, 3, 4, 5), bytes], [[4, 2]]);
  await engine.createTable("target", schema);
  engine.append("target", schema, [frame]);
  expect(await engine.texts("target", schema)).toEqual([["A"], [null], ["B"], [null]]);
});

test("a NULL map may have anything beneath it", async () => {
  const type = entries(new Int8(), new Int8());
  const parts = [
    Uint8Array.of(0b10),
    int32(0, 1, 2),
    NONE,
    Uint8Array.of(0b10),
    Uint8Array.of(1, 2),
    NONE,
    Uint8Array.of(3, 4),
  ];
  const { schema, frame } = buildBatch(type, 2, parts, [
    [2, 1],
    [2, 0],
    [2, 1],
    [2, 0],
  ]);
  await engine.createTable("target", schema);
  engine.append("target", schema, [frame]);
  expect(await engine.texts("target", schema)).toEqual([[null], ["{2=4}"]]);
});

test("offsets need not start at 0, nor bits of a child at a byte", async () => {
  const type = list(new Bool());
  const parts = [NONE, int32(3, 5, 5, 12), Uint8Array.of(0xff, 0x0f), Uint8Array.of(0b11101000, 0b0101)];
  const { schema, frame } = buildBatch(type, 3, parts, [
    [3, 0],
    [12, 0],
  ]);
  const texts = buildBatch(new Utf8(), 2, [NONE, int32(4, 8, 24), text("skipabcdthe longer text!!")]);
  for (const each of [
    { schema, frame, rows: [["[true, false]"], ["[]"], ["[true, true, true, true, false, true, false]"]] },
    { ...texts, rows: [["abcd"], ["the longer text!"]] },
  ]) {
    await engine.createTable("target", each.schema);
    engine.append("target", each.schema, [each.frame]);
    expect(await engine.texts("target", each.schema)).toEqual(each.rows);
  }
});

test("values that unfold are bounded: compression, dictionaries, views", () => {
  const tall = fixture("texts-lz4");
  const decoder = new BatchDecoder(schemaOf("texts-lz4"), { maxDecompressedBytes: 10_000 });
  expect(() => tall.frames.map((frame) => decoder.decode(frame))).toThrow(/unfolds to more than 10000 bytes/);
  const word = "x".repeat(1000);
  const dictionaryType = new Dictionary(new Binary(), new Int8(), 3);
  const { schema, frame } = buildBatch(dictionaryType, 2000, [NONE, new Uint8Array(2000)]);
  const small = new BatchDecoder(schema, { maxDecompressedBytes: 2 ** 20 });
  expect(small.decode(buildDictionary(3, 1, [NONE, int32(0, 1000), text(word)]))).toBeUndefined();
  expect(() => small.decode(frame)).toThrow(/unfolds to more than/);
  const within = buildBatch(dictionaryType, 3, [NONE, new Uint8Array(3)]);
  expect(small.decode(within.frame)?.columns[0]?.data.byteLength).toBe(3000);
});

test("zero columns carry their number of rows", () => {
  const empty = buildBatch(new Null(), 7, [], []);
  const decoder = new BatchDecoder(new Schema([]));
  expect(decoder.decode(empty.frame)).toEqual({ rowCount: 7, bodyBytes: 0, columns: [] });
});
