import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writeDurably } from "../../../src/base/write-durably.ts";
import { makeFolder } from "../../../src/duck/make-folder.ts";
import { mountSmallDisk, smallDiskProblem } from "../../support/small-disk.ts";
import { tempDir } from "../../support/temp-dir.ts";

test("a folder is made with those above it, and the first that was missing is told", async () => {
  await using dir = tempDir();
  const path = join(dir.path, "a", "b", "c");
  expect(await makeFolder(path, "data_dir")).toBe(join(dir.path, "a"));
  expect(existsSync(path)).toBe(true);
  expect(await makeFolder(path, "data_dir")).toBeUndefined();
});

test("a folder that cannot be made is told by what it is and why, wherever that is", async () => {
  await using dir = tempDir();
  writeFileSync(join(dir.path, "file"), "");
  symlinkSync(join(dir.path, "gone"), join(dir.path, "link"));
  const reason = (path: string) => expect(makeFolder(path, "data_dir")).rejects;
  await reason(join(dir.path, "file")).toMatchObject({
    code: "config_invalid",
    message: expect.stringMatching(/^data_dir .*EEXIST/),
  });
  await reason(join(dir.path, "file", "x", "y")).toThrow(/ENOTDIR/);
  await reason(join(dir.path, "link", "x")).toThrow(/EEXIST/);
  if (process.platform === "linux") await reason("/proc/eider/x").toThrow(/ENOENT/);
});

const problem = smallDiskProblem();
test.skipIf(problem !== undefined)(`a read-only disk is told as one${problem ? ` (${problem})` : ""}`, async () => {
  await using disk = mountSmallDisk(1);
  mkdirSync(join(disk.path, "there"));
  execFileSync("mount", ["-o", "remount,ro", disk.path]);
  await expect(makeFolder(join(disk.path, "a", "b"), "buffer_dir")).rejects.toThrow(/EROFS/);
  expect(await makeFolder(join(disk.path, "there"), "buffer_dir")).toBeUndefined();
});

test("a small file that cannot be written is named, and nothing is left beside it", async () => {
  await using dir = tempDir();
  const path = join(dir.path, "lease");
  await writeDurably(path, "1\n");
  await writeDurably(path, "2\n");
  expect(readFileSync(path, "utf8")).toBe("2\n");
  mkdirSync(join(dir.path, "taken", "by"), { recursive: true });
  await expect(writeDurably(join(dir.path, "taken"), "3\n")).rejects.toThrow(`cannot write ${join(dir.path, "taken")}`);
  expect(readdirSync(dir.path).sort()).toEqual(["lease", "taken"]);
});
