import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { runPython } from "./python.ts";
import { REPO } from "./repo.ts";

export interface CasesOptions {
  readonly server: () => { readonly flightUri: string; readonly httpUrl: string; readonly dataDir: string };
  /** Folder of packages that come before the interpreter's own; made when the tests begin. */
  readonly packages?: () => Promise<string>;
  /** Further environment variables, known when the tests begin. */
  readonly env?: () => Readonly<Record<string, string>>;
}

/** Makes a test of each `case_*` of a Python module, a path in the repository; one Python process runs them all. */
export function testCases(module: string, options: CasesOptions): void {
  const file = join(REPO, module);
  const names = [...readFileSync(file, "utf8").matchAll(/^def (case_\w+)/gm)].map((match) => match[1] ?? "");
  let results: Record<string, string | null>;

  beforeAll(async () => {
    const { flightUri, httpUrl, dataDir } = options.server();
    const packages = await options.packages?.();
    results = await runPython(join(REPO, "test", "support", "cases.py"), null, {
      args: [file, "--uri", flightUri, "--http", httpUrl, "--data", dataDir],
      env: { ...options.env?.(), ...(packages === undefined ? {} : { PYTHONPATH: packages }) },
    });
  });

  test.each(names)("%s", (name) => {
    if (results[name] !== null) expect.fail(`${results[name] ?? "the case did not run"}`);
  });
}
