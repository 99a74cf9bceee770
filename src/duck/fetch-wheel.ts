import { copyFile, mkdir, mkdtemp, open, readdir, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runProgram } from "./run-program.ts";

/** 40 MB over a slow line. */
const DOWNLOAD_TIMEOUT_MS = 300_000;
const UNZIP_TIMEOUT_MS = 60_000;

export interface WheelRequest {
  readonly python: string;
  /** DuckDB's name of the extension. */
  readonly name: string;
  /** Without the `v`. */
  readonly version: string;
  readonly directory: string;
}

/**
 * Downloads the wheel `duckdb-extension-<name>` with pip, as pip is set up on this machine, and puts the extension into
 * `directory`. Resolves to its path; rejects with pip's own words.
 */
export async function fetchWheel({ python, name, version, directory }: WheelRequest): Promise<string> {
  const scratch = await mkdtemp(join(tmpdir(), "eider-extension-"));
  try {
    const project = `duckdb-extension-${name.replaceAll("_", "-")}==${version}`;
    const options = [
      "--no-deps",
      "--retries",
      "2",
      "--no-input",
      "--disable-pip-version-check",
      "--only-binary",
      ":all:",
      "--quiet",
    ];
    const download = ["-m", "pip", "download", ...options, "--dest", scratch, project];
    await runProgram(python, download, DOWNLOAD_TIMEOUT_MS);
    const wheel = (await readdir(scratch)).find((file) => file.endsWith(".whl"));
    if (wheel === undefined) throw new Error(`pip downloaded no wheel for ${project}`);
    const unzipped = join(scratch, "wheel");
    await runProgram(python, ["-m", "zipfile", "-e", join(scratch, wheel), unzipped], UNZIP_TIMEOUT_MS);
    const fileName = `${name}.duckdb_extension`;
    const found = (await readdir(unzipped, { recursive: true })).find((file) => file.endsWith(fileName));
    if (found === undefined) throw new Error(`${wheel} holds no ${fileName}`);
    return await placeExtension(join(unzipped, found), directory, name);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Copies an extension into `directory` so that no reader, and no crash, ever sees half of it. */
export async function placeExtension(source: string, directory: string, name: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  const path = join(directory, `${name}.duckdb_extension`);
  const partial = `${path}.${process.pid}.part`;
  try {
    await copyFile(source, partial);
    const file = await open(partial, "r+");
    await file.sync().finally(() => file.close());
    await rename(partial, path);
  } finally {
    await rm(partial, { force: true });
  }
  return path;
}
