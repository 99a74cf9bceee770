import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { keyOf, type Principal } from "../../../src/access/principal.ts";
import { grantsOf } from "../../../src/access/users.ts";
import { type Connection, Database } from "../../../src/duck/database.ts";
import { EiderError } from "../../../src/errors.ts";
import { openScratch } from "../../../src/query/scratch.ts";
import { splitStatements, withoutComments } from "../../../src/query/tokens.ts";
import { Guard, StatementReader } from "../../../src/session/guard.ts";

/**
 * Statements put together at random from what breaks the reading of SQL. The judge is DuckDB's planner: a statement that
 * the guard lets a user of schema main run must not have a table of schema vault, or a file, anywhere in its plan.
 */

const RUNS = Number(process.env["EIDER_FUZZ_CASES"] ?? 2000);
const names = { queueSchema: "duckling_queue", targetSchema: "main" };

let scratch: Database;
let lake: Database;
let connection: Connection;
let guard: Guard;

beforeAll(async () => {
  scratch = await openScratch();
  lake = await Database.open();
  connection = await lake.connect();
  await connection.run(
    `ATTACH ':memory:' AS lake; USE lake; CREATE SCHEMA vault; CREATE TABLE vault.gold (a INT); CREATE TABLE open (a INT);
     CREATE TABLE other (a INT); SET explain_output = 'all'`,
  );
  const grants = grantsOf(undefined, { main: "write" });
  const writer: Principal = { name: "writer", key: keyOf("writer", grants), grants, isCurrent: () => true };
  guard = new Guard(writer, await StatementReader.open(scratch, names), names);
});

afterAll(async () => {
  await lake[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

/** Whether the guard lets the statements pass; what would run then. */
async function pass(text: string): Promise<string[] | undefined> {
  const pieces = splitStatements(withoutComments(text));
  try {
    for (const piece of pieces) await guard.checkStatement(piece, async () => "main");
    return pieces.map(({ sql }) => sql);
  } catch (error) {
    if (error instanceof EiderError && error.code !== "internal") return undefined;
    throw error;
  }
}

/** DuckDB's plan of each statement that it takes; CREATE … AS and views by their query. */
async function planOf(sql: string): Promise<string> {
  try {
    const rows = await connection.rows(`EXPLAIN ${sql}`);
    // Without the texts of constants, which may say anything.
    return rows
      .map((row) => String(row["explain_value"]))
      .join("\n")
      .toLowerCase()
      .replace(/'[^']*'/g, "");
  } catch {
    return "";
  }
}

const EVIL = ["vault.gold", "lake.vault.gold", '"vault"."gold"', "read_text('/etc/hostname')", "'/etc/hostname.csv'"];
const SEPARATORS = [
  " ",
  "\n",
  "\t",
  "\u00a0",
  "\u200b",
  "\ufeff",
  "--\r",
  "-- x\n",
  "/**/",
  "/* /* */",
  "*/",
  "",
  "\\",
  "\0",
];
const WORDS = [
  ..."select from where insert into update set delete using values with as merge on when matched not then returning open".split(
    " ",
  ),
  ..."other a b 1 1. .5 1e 0x1 'x' '' '\\' E'\\'' $$ $q$ $q$'$q$ \" \"\" \"a\" ( ) , ; = * . :: [ ] { } case end distinct is in and".split(
    " ",
  ),
  ..."union all exists lateral by name default table x. U& - -- /* */ ? $1 lambda x : pivot explain analyze create temp view".split(
    " ",
  ),
];
/** Statements that are right but for their holes. */
const FRAMES = [
  "SELECT # FROM open #",
  "SELECT a FROM # #",
  "WITH x AS (SELECT # FROM open) SELECT * FROM x #",
  "INSERT INTO open VALUES (#) #",
  "INSERT INTO open (a) # SELECT a FROM #",
  "INSERT INTO open # VALUES (1), (#)",
  "UPDATE open SET a = # FROM # WHERE #",
  "UPDATE open # SET a = 1 # WHERE a IS DISTINCT FROM #",
  "DELETE FROM open # USING # WHERE #",
  "MERGE INTO open USING # ON # WHEN MATCHED # THEN UPDATE SET a = #",
  "MERGE INTO open # USING other ON true WHEN NOT MATCHED THEN INSERT (a) VALUES (#) #",
  "EXPLAIN # SELECT # FROM open",
  "#",
];

const piece = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...WORDS) },
  { weight: 2, arbitrary: fc.constantFrom(...SEPARATORS) },
  { weight: 2, arbitrary: fc.constantFrom(...EVIL) },
  { weight: 2, arbitrary: fc.constantFrom(...EVIL).map((evil) => `(SELECT a FROM ${evil})`) },
  { weight: 1, arbitrary: fc.constantFrom("a", "1", "true", "other", "") },
);
const hole = fc
  .array(fc.tuple(piece, fc.constantFrom(" ", ...SEPARATORS)), { maxLength: 5 })
  .map((parts) => parts.flat().join(""));
const statement = fc
  .tuple(fc.constantFrom(...FRAMES), fc.array(hole, { minLength: 4, maxLength: 4 }))
  .map(([frame, holes]) => holes.reduce((text, filling) => text.replace("#", () => filling), frame));

test("no plan of what passes has a table of another schema, or a file", async () => {
  const seen = { passed: 0, planned: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(statement, async (text) => {
      const statements = await pass(text);
      if (!statements) {
        seen.refused++;
        return;
      }
      seen.passed++;
      for (const sql of statements) {
        const plan = await planOf(sql);
        if (plan !== "") seen.planned++;
        expect(plan, sql).not.toMatch(/gold|read_text|read_csv/);
      }
    }),
    { numRuns: RUNS },
  );
  // Otherwise it has shown nothing.
  expect(seen.planned).toBeGreaterThan(RUNS / 1000);
  expect(seen.refused).toBeGreaterThan(RUNS / 10);
}, 600_000);

test("the judge sees what is read where the guard would let everything pass", async () => {
  for (const sql of ["UPDATE open SET a = (SELECT a FROM vault.gold)", "SELECT * FROM read_text('/etc/hostname')"]) {
    expect(await planOf(sql)).toMatch(/gold|read_text/);
    expect(await pass(sql)).toBeUndefined();
  }
});
