import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Debian's libfaketime (https://github.com/wolfcw/libfaketime), for programs with threads. */
const LIBRARY = "faketime/libfaketimeMT.so.1";
/** Has a folder for each architecture. */
const LIBRARIES = "/usr/lib";

/** Why the clock cannot be set; undefined when it can. */
export function fakeTimeProblem(): string | undefined {
  return libraryPath() ? undefined : "libfaketime is not installed";
}

function libraryPath(): string | undefined {
  if (!existsSync(LIBRARIES)) return undefined;
  return readdirSync(LIBRARIES)
    .map((folder) => join(LIBRARIES, folder, LIBRARY))
    .find((path) => existsSync(path));
}

/** The time of day of one process, to be set while it runs; its monotonic clock goes on as it is. */
export class FakeTime {
  readonly #path: string;

  /** `path`: of a file of its own. */
  constructor(path: string) {
    this.#path = path;
    this.set("+0");
  }

  /** For the process' environment. */
  get env(): Record<string, string> {
    return {
      LD_PRELOAD: libraryPath() ?? "",
      FAKETIME_TIMESTAMP_FILE: this.#path,
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      // Seconds after which the file is read again.
      FAKETIME_CACHE_DURATION: "1",
    };
  }

  /** Apart from the real time: `-1h`, `+1d`. */
  set(offset: string): void {
    writeFileSync(this.#path, `${offset}\n`);
  }
}
