import { expect, test } from "vitest";
import { chooseFormat } from "../../../src/http/result-formats.ts";

test.each([
  [undefined, "json"],
  ["", "json"],
  ["*/*", "json"],
  ["application/json", "json"],
  ["text/csv", "csv"],
  ["text/*", "csv"],
  ["application/x-ndjson", "ndjson"],
  ["application/jsonl", "ndjson"],
  ["application/vnd.apache.arrow.stream", "arrow"],
  ["application/vnd.apache.parquet", "parquet"],
  ["text/html, application/x-parquet;q=0.9, */*;q=0.1", "parquet"],
  ["application/json;q=0.1, text/csv", "csv"],
  ["application/json;q=0, */*", "ndjson"],
  ["application/json;charset=UTF-8", "json"],
  ["text/csv; charset=utf-8; header=present; q=0.9, application/json ; Q=0.5", "csv"],
])("Accept: %s", (accept, name) => {
  expect(chooseFormat(accept).name).toBe(name);
});

test("a type that is none of them is told which there are", () => {
  expect(() => chooseFormat("application/xml")).toThrow(
    expect.objectContaining({ code: "not_acceptable", message: expect.stringContaining("text/csv") }),
  );
});
