import { RecordBatchReader } from "apache-arrow";
import { expect, test } from "vitest";
import { encapsulate, encodeSchema } from "../../../src/arrow/schema.ts";
import { SQL_INFO_SCHEMA, sqlInfoFrames } from "../../../src/flight/sql-info.ts";

const INFO = { name: "eider", version: "1", arrowVersion: "21", readOnly: false, statementTimeoutMs: 7 };

/** Members of FlightSql.proto's union, as each code's comment says: 0 text, 1 bool, 2 bigint, 3 int32, 4 list, 5 map. */
const MEMBERS = [
  [0, "000111003111"],
  [100, "33"],
  [500, "11120212444440011511113113313000133311313222222222222222122222213113333311111"],
] as const;

function read(asked: readonly number[]) {
  const parts = [encapsulate(encodeSchema(SQL_INFO_SCHEMA))];
  for (const { header, body } of sqlInfoFrames(INFO, asked)) parts.push(encapsulate(header), body);
  const rows = new Map<number, { typeId: number; value: unknown }>();
  for (const batch of RecordBatchReader.from(Buffer.concat(parts))) {
    const union = batch.data.children[1];
    for (let row = 0; row < batch.numRows; row++) {
      rows.set(batch.getChildAt(0)?.get(row), {
        typeId: union?.typeIds[row] ?? -1,
        value: batch.getChildAt(1)?.get(row),
      });
    }
  }
  return rows;
}

test("asked for nothing in particular it answers all 91 codes, each in the member that JDBC casts to", () => {
  const rows = read([]);
  const expected = MEMBERS.flatMap(([first, members]) =>
    [...members].map((member, index) => [first + index, Number(member)]),
  );
  expect([...rows].map(([code, { typeId }]) => [code, typeId])).toEqual(expected);
  expect(rows.size).toBe(91);
  expect(rows.get(0)?.value).toBe("eider");
  expect(rows.get(100)?.value).toBe(7);
  expect(rows.get(503)?.value).toBe(1n);
  expect(String(rows.get(508)?.value)).toContain("QUALIFY");
});

test("asked for some it answers those that it knows", () => {
  expect([...read([8, 9999, 0]).keys()]).toEqual([8, 0]);
  expect(read([9999]).size).toBe(0);
});
