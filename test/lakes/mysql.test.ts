import { join } from "node:path";
import { expect, test } from "vitest";
import { Scope } from "../../src/base/scope.ts";
import { extensionPath } from "../support/extension-path.ts";
import { hasMariadb, startMariadb } from "../support/mariadb-server.ts";
import { runPython } from "../support/python.ts";
import { startEider } from "../support/start-eider.ts";
import { tempDir } from "../support/temp-dir.ts";

const TWO_INSERTS = `
import duckdb, json, sys
job = json.load(sys.stdin)
connection = duckdb.connect()
for extension in job["extensions"]:
    connection.execute(f"LOAD '{extension}'")
connection.execute(f"ATTACH 'ducklake:mysql:{job['connection']}' AS lake (DATA_PATH '{job['dataPath']}')")
connection.execute("CREATE TABLE lake.main.t (id BIGINT)")
connection.execute("INSERT INTO lake.main.t SELECT * FROM range(100)")
try:
    connection.execute("INSERT INTO lake.main.t SELECT * FROM range(100)")
    print(json.dumps("committed"))
except duckdb.Error as error:
    print(json.dumps(str(error)))
`;

const missing = hasMariadb() ? "" : " (MariaDB is not installed)";

test.skipIf(missing !== "")(
  `why a MySQL catalog is refused: DuckDB cannot insert into a table twice${missing}`,
  async () => {
    await using scope = new Scope();
    const folder = scope.use(tempDir("mysql"));
    const { connection } = scope.use(await startMariadb());
    const extensions = ["ducklake", "mysql_scanner"].map(extensionPath);
    const outcome = await runPython(TWO_INSERTS, { connection, extensions, dataPath: join(folder.path, "files/") });
    expect(outcome).toMatch(/Unsupported operator type HASH_JOIN in UPDATE statement/);
  },
);

test("a MySQL catalog is refused in words, at start", async () => {
  await expect(startEider({ settings: { catalog: "mysql:host=127.0.0.1" } })).rejects.toThrow(
    /catalog mysql: DuckLake 1.5.5 can commit to each table of a MySQL catalog only once; use postgres/,
  );
});
