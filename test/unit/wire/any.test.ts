import { expect, test } from "vitest";
import { packAny, unpackAny, unpackAs } from "../../../src/wire/any.ts";
import { AnyCodec, Sql } from "../../../src/wire/messages.ts";

test("a command is unpacked by its name", () => {
  const bytes = packAny(Sql.CommandStatementQuery, { query: "SELECT 1" });
  const packed = unpackAny(bytes);
  expect(packed?.name).toBe("CommandStatementQuery");
  expect(Sql.CommandStatementQuery.decode(packed?.value ?? Buffer.alloc(0))).toEqual({ query: "SELECT 1" });
});

test.each(["SELECT 1", "\nSELECT 1", "\n\u0016type.googleapis.con/x", "", "\n", "\n\n"])("%j is no Any", (text) => {
  expect(unpackAny(Buffer.from(text))).toBeUndefined();
});

test("a message of another package keeps its whole type URL", () => {
  const type_url = "type.googleapis.com/other.Thing";
  expect(unpackAny(AnyCodec.encode({ type_url }))?.name).toBe(type_url);
});

test("an Any cut short is the client's error", () => {
  const bytes = packAny(Sql.CommandStatementQuery, { query: "SELECT 1" });
  expect(() => unpackAny(bytes.subarray(0, bytes.length - 3))).toThrow(/not a valid Any message/);
});

test("an action's body must hold its request", () => {
  const wrong = packAny(Sql.CommandStatementQuery, { query: "SELECT 1" });
  expect(() => unpackAs(Sql.ActionBeginTransactionRequest, wrong)).toThrow(
    /must be a google.protobuf.Any that holds a ActionBeginTransactionRequest, not a CommandStatementQuery/,
  );
  expect(() => unpackAs(Sql.ActionBeginTransactionRequest, Buffer.from("x"))).toThrow(/something else/);
  expect(unpackAs(Sql.ActionBeginTransactionRequest, Buffer.alloc(0))).toEqual({});
});

test("an unset optional field differs from an empty one", () => {
  const { decode, encode } = Sql.CommandStatementIngest;
  expect(decode(encode({ table: "t", catalog: "" }))).toEqual({ table: "t", catalog: "" });
  expect(decode(encode({ table: "t" }))).toEqual({ table: "t" });
});
