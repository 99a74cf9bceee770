import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { tempDir } from "./temp-dir.ts";

/** A filesystem of a few MB in memory, for tests that fill it. */
export interface SmallDisk extends AsyncDisposable {
  readonly path: string;
  readonly freeBytes: number;
  resize(megabytes: number): void;
}

/** Why there can be none here; undefined when there can. */
export function smallDiskProblem(): string | undefined {
  if (process.platform !== "linux") return "needs Linux";
  if (process.getuid?.() !== 0) return "needs root, to mount a small filesystem";
  const { status } = spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "none", "/mnt"]);
  return status === 0 ? undefined : "this machine lets nobody mount a filesystem";
}

export function mountSmallDisk(megabytes: number): SmallDisk {
  const folder = tempDir("small-disk");
  const path = join(folder.path, "disk");
  mkdirSync(path);
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "none", path]);
  return {
    path,
    get freeBytes() {
      const { bavail, bsize } = statfsSync(path);
      return bavail * bsize;
    },
    resize: (size) => void execFileSync("mount", ["-o", `remount,size=${size}m`, path]),
    async [Symbol.asyncDispose]() {
      // Lazily: a server that was killed a moment ago may still hold a file.
      execFileSync("umount", ["--lazy", path]);
      await folder[Symbol.asyncDispose]();
    },
  };
}
