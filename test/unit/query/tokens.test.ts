import { describe, expect, test } from "vitest";
import { splitStatements, tokenize } from "../../../src/query/tokens.ts";

const texts = (sql: string) => tokenize(sql).map((token) => `${token.kind}:${token.text}`);

describe("tokenize", () => {
  test("words are lower case, quoted names and strings lose their quotes", () => {
    expect(texts(`SELECT "A""b", 'it''s', E'a\\'b', $$x;y$$, $t$ $$ $t$ FROM Tä`)).toEqual([
      "word:select",
      'quoted:A"b',
      "symbol:,",
      "string:it's",
      "symbol:,",
      "string:a'b",
      "symbol:,",
      "string:x;y",
      "symbol:,",
      "string: $$ ",
      "word:from",
      "word:tä",
    ]);
  });

  test("comments are left out, block comments nest", () => {
    expect(texts("a -- ; '\n b /* x /* y */ ; */ c /* open")).toEqual(["word:a", "word:b", "word:c"]);
  });

  test("what is not closed is no string", () => {
    expect(texts("'a''")).toEqual(["symbol:'", "word:a", "string:"]);
    expect(texts('"a')).toEqual(['symbol:"', "word:a"]);
    expect(texts("E'a\\'")).toEqual(["word:e", "string:a\\"]);
    expect(texts("$a$ b")).toEqual(["parameter:$a", "symbol:$", "word:b"]);
    expect(texts("$1$")).toEqual(["parameter:$1", "symbol:$"]);
  });

  test("texts of many megabytes", () => {
    const long = "x''".repeat(3_000_000);
    for (const sql of [
      `'${long}'`,
      `"${long}"`,
      `E'${long}\\''`,
      `$$${long}$$`,
      `--${long}`,
      `/*${long}*/`,
      " ".repeat(9_000_000),
    ]) {
      expect(tokenize(sql).length).toBeLessThan(2);
    }
  });

  test("parameters of each form", () => {
    expect(texts("? ?2 $3 $name")).toEqual(["parameter:?", "parameter:?2", "parameter:$3", "parameter:$name"]);
  });

  test("offsets cut the text where the token stands", () => {
    const sql = "insert into  t values (1)";
    expect(tokenize(sql).map((token) => sql.slice(token.start, token.end))).toEqual([
      "insert",
      "into",
      "t",
      "values",
      "(",
      "1",
      ")",
    ]);
  });
});

describe("splitStatements", () => {
  test("semicolons in strings, names and comments do not split", () => {
    expect(splitStatements(`select ';'; ;; -- ;\n select "a;b" /* ; */;`).map((piece) => piece.sql)).toEqual([
      "select ';'",
      'select "a;b"',
    ]);
  });

  test("nothing but comments is no statement", () => {
    expect(splitStatements(" -- x\n ; /* y */")).toEqual([]);
  });
});
