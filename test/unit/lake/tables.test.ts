import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Column } from "../../../src/base/table.ts";
import type { Lake } from "../../../src/lake/lake.ts";
import { changeFromOutside, column, LakeFixture, query, target } from "./lake-fixture.ts";

describe("tables", () => {
  let fixture: LakeFixture;
  let lake: Lake;

  beforeEach(async () => {
    fixture = await LakeFixture.make();
    lake = await fixture.open();
  });

  afterEach(async () => {
    await lake[Symbol.asyncDispose]();
    await fixture[Symbol.asyncDispose]();
  });

  const numbered = (columns: readonly Column[]) =>
    columns.map((each) => ({ ...each, id: expect.any(Number) as number }));
  const create = (table: string, primaryKey: readonly string[] = ["id"]) =>
    lake.createTable({ target: target(table), columns: [column("id", "BIGINT"), column("v", "VARCHAR")], primaryKey });

  it("a created table is described with its types, its key, and key columns that are not nullable", async () => {
    const columns = [
      column("id", "BIGINT"),
      column("price", "DECIMAL(10,2)"),
      column("s", "STRUCT(a INTEGER, b VARCHAR[])"),
      column("at", "TIMESTAMP WITH TIME ZONE", false),
    ];
    expect(await lake.createTable({ target: target("t"), columns, primaryKey: ["ID"] })).toBe(true);
    expect(await lake.describe(target("T", "MAIN"))).toEqual({
      target: target("t"),
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      columns: numbered([column("id", "BIGINT", false), ...columns.slice(1)]),
      primaryKey: ["id"],
    });
    expect(await lake.describe(target("other"))).toBeUndefined();
    expect(await lake.describe(target("t", "nowhere"))).toBeUndefined();
  });

  it("names with quotes, dots, spaces and other scripts work in any schema", async () => {
    for (const name of ['we"ird.t é', "select", "鸭子 'x'", "../../evil"]) {
      const odd = target(name, 'sch"ema.1');
      await lake.createTable({
        target: odd,
        columns: [column('a"b', "INTEGER"), column("c'd", "VARCHAR")],
        primaryKey: ['a"b'],
      });
      expect(await lake.describe(odd)).toMatchObject({
        target: odd,
        columns: numbered([column('a"b', "INTEGER", false), column("c'd", "VARCHAR")]),
        primaryKey: ['a"b'],
      });
    }
  });

  it("a second creation is refused, allowed or replaces, as asked", async () => {
    await create("t");
    await expect(create("T")).rejects.toMatchObject({ code: "already_exists" });
    const other = { target: target("t"), columns: [column("x", "INTEGER")], primaryKey: [] };
    expect(await lake.createTable(other, { ifNotExists: true })).toBe(false);
    expect((await lake.describe(target("t")))?.primaryKey).toEqual(["id"]);
    expect(await lake.createTable(other, { orReplace: true })).toBe(true);
    expect(await lake.describe(target("t"))).toMatchObject(other);
  });

  it("two concurrent creations with ifNotExists make one table", async () => {
    const shape = { target: target("t", "new_schema"), columns: [column("id", "BIGINT")], primaryKey: [] };
    const made = await Promise.all([1, 2, 3].map(() => lake.createTable(shape, { ifNotExists: true })));
    expect(made.filter((isNew) => isNew)).toHaveLength(1);
  });

  it.each([
    [{ target: target("t"), columns: [], primaryKey: [] }, "request_invalid"],
    [{ target: target(""), columns: [column("a", "INTEGER")], primaryKey: [] }, "request_invalid"],
    [{ target: target("x".repeat(201)), columns: [column("a", "INTEGER")], primaryKey: [] }, "request_invalid"],
    [{ target: target("t", "_EIDER"), columns: [column("a", "INTEGER")], primaryKey: [] }, "request_invalid"],
    [{ target: target("t"), columns: [column("_eider_op", "INTEGER")], primaryKey: [] }, "request_invalid"],
    [
      { target: target("t", "Information_Schema"), columns: [column("a", "INTEGER")], primaryKey: [] },
      "request_invalid",
    ],
    [{ target: target("t", "pg_catalog"), columns: [column("a", "INTEGER")], primaryKey: [] }, "request_invalid"],
    [{ target: target("t"), columns: [column("a", "HUGEINT")], primaryKey: [] }, "type_unsupported"],
    [{ target: target("t"), columns: [column("a", "TIME_NS")], primaryKey: [] }, "type_unsupported"],
    [{ target: target("t"), columns: [column("a", "INTEGER")], primaryKey: ["b"] }, "schema_mismatch"],
    [{ target: target("t"), columns: [column("a", "INTEGER")], primaryKey: ["a", "A"] }, "request_invalid"],
  ])("refuses %j with %s", async (shape, code) => {
    await expect(lake.createTable(shape)).rejects.toMatchObject({ code });
    expect(
      await query(lake, "SELECT * FROM duckdb_tables() WHERE database_name = 'lake' AND schema_name = 'main'"),
    ).toEqual([]);
  });

  it("changes made by another process are seen at once where there can be one", async () => {
    await lake[Symbol.asyncDispose]();
    lake = await fixture.open({ multiProcess: true });
    await create("t");
    await lake.describe(target("t"));
    await changeFromOutside(lake, "ALTER TABLE t ADD COLUMN w DOUBLE");
    expect((await lake.describe(target("t")))?.columns.map(({ name }) => name)).toEqual(["id", "v", "w"]);
  });

  it("changes made by SQL are seen at once", async () => {
    await create("t");
    await lake.describe(target("t"));
    await query(lake, "ALTER TABLE t ADD COLUMN w DOUBLE");
    expect((await lake.describe(target("t")))?.columns.map(({ name }) => name)).toEqual(["id", "v", "w"]);
    await lake.dropTable(target("t"));
    expect(await lake.describe(target("t"))).toBeUndefined();
    await expect(lake.dropTable(target("t"))).rejects.toMatchObject({ code: "table_not_found" });
    await lake.dropTable(target("t"), { ifExists: true });
  });

  it("the key survives a user's own comment and a rename, and a new table of the name does not inherit it", async () => {
    await create("t");
    await query(lake, "COMMENT ON TABLE t IS 'my table'");
    expect((await lake.describe(target("t")))?.primaryKey).toEqual(["id"]);
    await query(lake, "ALTER TABLE t RENAME TO u");
    expect((await lake.describe(target("u")))?.primaryKey).toEqual(["id"]);
    await query(lake, "DROP TABLE u");
    await query(lake, "CREATE TABLE u(id BIGINT)");
    expect((await lake.describe(target("u")))?.primaryKey).toEqual([]);
  });

  it("a row of the keys' mirror that Eider did not write concerns no other table", async () => {
    await create("t");
    await query(lake, "COMMENT ON TABLE t IS 'mine'");
    await changeFromOutside(
      lake,
      `INSERT INTO _eider.primary_keys VALUES
         (NULL, 'a', NULL), ('1', 'b', NULL), ('2', 'c', 'id'), ('3', 'd', '{"id": 1}'), ('4', 'e', '')`,
    );
    lake.invalidate();
    expect((await lake.describe(target("t")))?.primaryKey).toEqual(["id"]);
  });

  it("a key set later keeps the user's comment and is there after reopening", async () => {
    await query(lake, "CREATE TABLE t(id BIGINT, v VARCHAR)");
    await query(lake, "COMMENT ON TABLE t IS 'mine'");
    await query(lake, "INSERT INTO t VALUES (1, 'a'), (2, 'b')");
    expect((await lake.describe(target("t")))?.primaryKey).toEqual([]);
    await lake.setPrimaryKey(target("t"), ["ID"]);
    expect((await lake.describe(target("t")))?.primaryKey).toEqual(["id"]);
    await lake[Symbol.asyncDispose]();
    lake = await fixture.open();
    expect((await lake.describe(target("t")))?.primaryKey).toEqual(["id"]);
    const [row] = await query(
      lake,
      "SELECT comment FROM duckdb_tables() WHERE table_name = 't' AND database_name = 'lake'",
    );
    expect(JSON.parse(String(row?.["comment"]).slice("eider:".length))).toEqual({ v: 1, pk: ["id"], comment: "mine" });
  });

  it("refuses a key that the rows do not have", async () => {
    await query(lake, "CREATE TABLE t(a BIGINT, b BIGINT)");
    await query(lake, "INSERT INTO t VALUES (1, 1), (1, 2), (2, NULL)");
    await expect(lake.setPrimaryKey(target("t"), ["a"])).rejects.toThrow(/2 rows with \("a"\) = \(1\)/);
    await expect(lake.setPrimaryKey(target("t"), ["a", "b"])).rejects.toThrow(/column b of main.t is NULL in 1 rows/);
    await expect(lake.setPrimaryKey(target("t"), ["c"])).rejects.toMatchObject({ code: "schema_mismatch" });
    await expect(lake.setPrimaryKey(target("t"), [])).rejects.toMatchObject({ code: "request_invalid" });
    await expect(lake.setPrimaryKey(target("nope"), ["c"])).rejects.toMatchObject({ code: "table_not_found" });
    expect((await lake.describe(target("t")))?.primaryKey).toEqual([]);
  });

  it("a key whose column was dropped is an error by name, and can be replaced", async () => {
    await create("t");
    await query(lake, "ALTER TABLE t DROP COLUMN id");
    await expect(lake.describe(target("t"))).rejects.toThrow(/primary key column id of table main.t does not exist/);
    await lake.setPrimaryKey(target("t"), ["v"]);
    expect((await lake.describe(target("t")))?.primaryKey).toEqual(["v"]);
  });

  it("opening an existing lake again makes one snapshot, of the lease", async () => {
    const before = (await lake.info()).newestSnapshot;
    await lake[Symbol.asyncDispose]();
    lake = await fixture.open();
    expect((await lake.info()).newestSnapshot).toBe((before ?? 0) + 1);
  });

  it("a lake whose files were moved says where its catalog looks for them", async () => {
    await lake[Symbol.asyncDispose]();
    const moved = `${fixture.dataPath}-moved`;
    const opening = fixture.open({ dataPath: moved });
    await expect(opening).rejects.toMatchObject({ code: "config_invalid" });
    await expect(opening).rejects.toThrow(`files are in ${fixture.dataPath}/, and data_path is ${moved}/`);
    lake = await fixture.open();
  });

  it("refuses settings that name no catalog or store", async () => {
    await expect(fixture.open({ catalog: "oracle:x" })).rejects.toMatchObject({ code: "config_invalid" });
    await expect(fixture.open({ catalog: "duckdb:" })).rejects.toMatchObject({ code: "config_invalid" });
    await expect(fixture.open({ dataPath: "ftp://host/x" })).rejects.toMatchObject({ code: "config_invalid" });
  });

  it("refuses a catalog that this process has open already", async () => {
    await expect(fixture.open()).rejects.toThrow(/already attached/);
    expect(await lake.describe(target("t"))).toBeUndefined();
  });
});
