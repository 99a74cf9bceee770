import { expect, test } from "vitest";
import { EiderError } from "../../../src/errors.ts";
import type { Log } from "../../../src/flight/observer.ts";
import { statusOf } from "../../../src/flight/status.ts";

function logger(): Log & { readonly lines: Array<{ level: string; fields: object }> } {
  const lines: Array<{ level: string; fields: object }> = [];
  const at = (level: string) => (fields: object) => void lines.push({ level, fields });
  return { lines, debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

const call = { method: "DoGet", command: "sql" };

test("an EiderError is told whole, with its code", () => {
  const log = logger();
  const status = statusOf(new EiderError("table_not_found", "Catalog Error: Table x\n\nLINE 1: …"), log, call);
  expect(status.code).toBe(5);
  expect(status.details).toBe("Catalog Error: Table x\n\nLINE 1: …");
  expect(status.metadata.get("x-eider-error-code")).toEqual(["table_not_found"]);
  expect(log.lines.map((line) => line.level)).toEqual(["debug"]);
});

test("an unknown error is not told, but can be found in the log by its reference", () => {
  const log = logger();
  const error = new TypeError("secret detail");
  const status = statusOf(error, log, call);
  const [reference] = status.metadata.get("x-eider-reference");
  expect(status.code).toBe(13);
  expect(status.details).toBe(`internal error (reference ${reference})`);
  expect(log.lines).toMatchObject([{ level: "error", fields: { err: error, reference, ...call } }]);
});

test.each(["a", "é", "€", "🦆", "%"])("a long message of %s is cut to what is sent in 7 KiB", (letter) => {
  const { details } = statusOf(new EiderError("sql_invalid", letter.repeat(70_000)), logger(), call);
  const encoded = encodeURI(details);
  expect(encoded.length).toBeLessThanOrEqual(7_168);
  expect(encoded.length).toBeGreaterThan(7_100);
  expect(details).toMatch(/ … \(cut\)$/);
});

test("half a surrogate pair can be sent", () => {
  const { details } = statusOf(new EiderError("sql_invalid", "bad \ud83e text"), logger(), call);
  expect(() => encodeURI(details)).not.toThrow();
});
