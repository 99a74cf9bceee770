import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Connection, Database } from "../../../src/duck/database.ts";
import { Extensions } from "../../../src/duck/extensions.ts";
import { fetchWheel } from "../../../src/duck/fetch-wheel.ts";
import { runProgram, withoutAddresses } from "../../../src/duck/run-program.ts";
import { tempDir } from "../../support/temp-dir.ts";

const SOURCE = join(process.env["EIDER_EXTENSION_DIR"] ?? "", "ducklake.duckdb_extension");

/** A folder of extensions and a DuckDB whose own folder is empty, so that nothing is found by chance. */
async function fixture() {
  const dir = tempDir("extensions");
  const database = await Database.open({ extension_directory: join(dir.path, "own") });
  const connection = await database.connect();
  return {
    path: dir.path,
    connection,
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

async function isLoaded(connection: Connection): Promise<boolean> {
  const rows = await connection.rows("SELECT loaded FROM duckdb_extensions() WHERE extension_name = 'ducklake'");
  return rows[0]?.["loaded"] === true;
}

/** A stand-in for Python that does what `script` says: the way through pip, without a network. */
function program(folder: string, script: string): string {
  const path = join(folder, "python");
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

/** DuckDB's INSTALL looks below HOME; below a file there is nothing to install into, so it fails at once. */
let home: string | undefined;
beforeEach(() => {
  home = process.env["HOME"];
  process.env["HOME"] = "/dev/null";
});
afterEach(() => {
  process.env["HOME"] = home;
});

describe("extensions", () => {
  test("are taken from extension_dir, without a word", async () => {
    await using at = await fixture();
    copyFileSync(SOURCE, join(at.path, "ducklake.duckdb_extension"));
    const said: string[] = [];
    const extensions = new Extensions({ dir: at.path, progress: (line) => said.push(line) });
    await Promise.all([extensions.load(at.connection, "ducklake"), extensions.load(at.connection, "ducklake")]);
    expect(await isLoaded(at.connection)).toBe(true);
    expect(said).toEqual([]);
  });

  test("are loaded into a second instance from where they were found", async () => {
    await using at = await fixture();
    copyFileSync(SOURCE, join(at.path, "ducklake.duckdb_extension"));
    const extensions = new Extensions({ dir: at.path, progress: () => {} });
    await extensions.load(at.connection, "ducklake");
    await using other = await Database.open();
    using connection = await other.connect();
    await extensions.load(connection, "ducklake");
    expect(await isLoaded(connection)).toBe(true);
  });

  test("a file that does not fit is passed over; the wheel takes its place", async () => {
    await using at = await fixture();
    writeFileSync(join(at.path, "ducklake.duckdb_extension"), "of another platform");
    const python = program(
      at.path,
      `case "$*" in
        *pip*) while [ "$1" != --dest ]; do shift; done; [ "$3" = duckdb-extension-ducklake==1.5.5 ] && : > "$2/x.whl" ;;
        *zipfile*) mkdir -p "$5/a/b" && cp '${SOURCE}' "$5/a/b/ducklake.duckdb_extension" ;;
      esac`,
    );
    const said: string[] = [];
    const extensions = new Extensions({ dir: at.path, progress: (line) => said.push(line), python });
    await extensions.load(at.connection, "ducklake");
    expect(await isLoaded(at.connection)).toBe(true);
    expect(said.at(-1)).toContain("downloading the wheel duckdb-extension-ducklake by pip");
    expect(readdirSync(at.path).filter((name) => name.includes("part"))).toEqual([]);
  });

  test("when nothing works, one error lists each place and what to do, and a later call tries again", async () => {
    await using at = await fixture();
    const python = program(at.path, "echo 'no answer from https://user:pass@host/simple' >&2; exit 1");
    const dir = join(at.path, "none");
    const extensions = new Extensions({ dir, progress: () => {}, python });
    const error = await extensions.load(at.connection, "ducklake").catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "lake_unavailable" });
    const { message } = error as Error;
    expect(message).toContain("DuckDB's extension ducklake v1.5.5 cannot be loaded");
    expect(message).toContain(`- extension_dir ${dir}: not there`);
    expect(message).toContain("- DuckDB's own folder: not there");
    expect(message).toMatch(/- DuckDB's INSTALL: .+/);
    expect(message).toContain("- pip: no answer from (address)");
    expect(message).toContain("scripts/fetch-extensions.mjs");
    mkdirSync(dir);
    copyFileSync(SOURCE, join(dir, "ducklake.duckdb_extension"));
    await extensions.load(at.connection, "ducklake");
    expect(await isLoaded(at.connection)).toBe(true);
  });

  test("fetch copies one that DuckDB had installed by itself into extension_dir", async () => {
    await using at = await fixture();
    const [row] = await at.connection.rows("PRAGMA platform");
    const own = join(at.path, "own", "v1.5.5", String(row?.["platform"]));
    mkdirSync(own, { recursive: true });
    copyFileSync(SOURCE, join(own, "ducklake.duckdb_extension"));
    const dir = join(at.path, "made");
    const extensions = new Extensions({ dir, progress: () => {} });
    expect(await extensions.fetch(at.connection, "ducklake")).toBe(join(dir, "ducklake.duckdb_extension"));
    expect(existsSync(join(dir, "ducklake.duckdb_extension"))).toBe(true);
  });
});

describe("programs", () => {
  test("one that never ends is ended", async () => {
    await expect(runProgram(process.execPath, ["-e", "setInterval(() => {}, 1000)"], 200)).rejects.toThrow(
      "no answer within 0.2 s",
    );
  });

  test("one that is missing is named", async () => {
    await using dir = tempDir();
    const request = { python: "no-such-python", name: "ducklake", version: "1.5.5", directory: dir.path };
    await expect(fetchWheel(request)).rejects.toThrow("no-such-python was not found");
  });

  test("addresses are left out of what they said", () => {
    expect(withoutAddresses("see https://a:b@c/d, then")).toBe("see (address) then");
  });
});
