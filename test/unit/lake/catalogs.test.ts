import { describe, expect, it } from "vitest";
import { catalog as catalogKind } from "../../../src/config/kinds.ts";
import { CATALOGS, parseCatalog } from "../../../src/lake/catalogs.ts";
import { withoutPassword } from "../../../src/lake/connection-text.ts";
import { parseDataPath } from "../../../src/lake/stores.ts";

describe("the catalog setting", () => {
  it.each([
    ["duckdb:/a/c.ducklake", "ducklake:/a/c.ducklake", undefined],
    ["sqlite:/a/c.db", "ducklake:sqlite:/a/c.db", undefined],
    ["postgres:dbname=lake host=db password=x", "ducklake:postgres:dbname=lake host=db", "x"],
    [
      "postgresql://ada:p%40ss@db:5433/lake?sslmode=require",
      "ducklake:postgres:host=db port=5433 user=ada dbname=lake sslmode=require",
      "p@ss",
    ],
    ["quack:localhost:9494", "ducklake:quack:localhost:9494", undefined],
  ])("%s", (setting, attachUri, password) => {
    expect(parseCatalog(setting)).toMatchObject({ attachUri });
    expect(parseCatalog(setting).password).toBe(password);
  });

  it("the setting catalog_password wins over the text's own", () => {
    expect(parseCatalog("postgres:dbname=lake password=x", "y")).toMatchObject({
      attachUri: "ducklake:postgres:dbname=lake",
      password: "y",
    });
  });

  it.each([
    ["mysql:host=db", /catalog mysql: DuckLake 1.5.5 can commit to each table of a MySQL catalog only once/],
    ["oracle:x", /catalog has scheme "oracle"; it must be one of duckdb:…, postgres:…, sqlite:…, quack:…/],
    ["duckdb:", /names no file; write duckdb:…/],
    ["quack:", /names no database; write quack:…/],
  ])("%s is refused", (setting, text) => {
    expect(() => parseCatalog(setting)).toThrow(text);
  });

  it("takes every scheme of the table, and what is refused in words", () => {
    for (const scheme of [...CATALOGS.flatMap((row) => row.schemes), "mysql"]) {
      expect(catalogKind.schema.safeParse(`${scheme}:x`).success, scheme).toBe(true);
    }
  });
});

describe("passwords in connection strings", () => {
  it.each([
    ["host=db password='it\\'s' user=a", "host=db user=a", "it's"],
    ["password = 'a b' dbname = 'my lake'", "dbname='my lake'", "a b"],
    ["service=lake", "service=lake", undefined],
    ["options='-c x=1' password=", "options='-c x=1'", ""],
    ["localhost:9494", "localhost:9494", undefined],
  ])("%s", (text, rest, password) => {
    expect(withoutPassword(text)).toEqual({ text: rest, password });
  });
});

describe("the data path", () => {
  it.each([
    ["/a/b", "/a/b/", true],
    ["s3://bucket/lake", "s3://bucket/lake/", false],
    ["az://container/lake/", "az://container/lake/", false],
  ])("%s", (setting, location, isLocal) => {
    expect(parseDataPath(setting)).toMatchObject({ location, isLocal });
  });

  it("of an unknown store is refused", () => {
    expect(() => parseDataPath("ftp://h/x")).toThrow(/must be a folder/);
  });
});
