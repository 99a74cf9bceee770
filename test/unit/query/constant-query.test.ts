import { expect, it } from "vitest";
import { isConstant } from "../../../src/query/constant-query.ts";
import { splitStatements } from "../../../src/query/tokens.ts";

function isConstantText(sql: string): boolean | undefined {
  const [piece] = splitStatements(sql);
  return piece && isConstant(piece);
}

it.each([
  "SELECT 1",
  "select 1;",
  "SELECT 1 AS one, 'a' AS \"the letter\", NULL, true",
  "SELECT ?, $2, (1.5)",
  "SELECT /* are you there? */ 1",
])("knows that nothing changes what %s means", (sql) => {
  expect(isConstantText(sql)).toBe(true);
});

it.each([
  "SELECT 1 / 2", // SET integer_division
  "SELECT one", // a macro's parameter, a column, or an alias that is there once a table is
  "SELECT x FROM t",
  "SELECT now()",
  "SELECT getvariable('v')",
  "SELECT (SELECT 1)",
  'SELECT "quoted"',
  "SELECT 1 WHERE true",
  "SELECT 'a' COLLATE nocase",
  "SELECT current_schema",
  "VALUES (1)",
  "SHOW TABLES",
  "INSERT INTO t VALUES (1)",
])("plans %s anew", (sql) => {
  expect(isConstantText(sql)).toBe(false);
});
