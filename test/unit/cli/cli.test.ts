import { execFile } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { hashToken } from "../../../src/access/token.ts";
import { readUsers } from "../../../src/access/users.ts";
import { runCli } from "../../../src/cli/main.ts";
import type { Shell } from "../../../src/cli/shell.ts";
import { threadPoolProblem } from "../../../src/cli/thread-pool.ts";
import { REPO } from "../../support/repo.ts";
import { tempDir } from "../../support/temp-dir.ts";

const HELP = join(REPO, "test", "unit", "cli");

interface Captured {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(args: readonly string[], overrides: Partial<Shell> = {}): Promise<Captured> {
  let stdout = "";
  let stderr = "";
  const shell: Shell = {
    env: { HOME: "/home/ada", UV_THREADPOOL_SIZE: "32" },
    cwd: "/srv/eider",
    stdout: (text) => {
      stdout += text;
    },
    stderr: (text) => {
      stderr += text;
    },
    write: async (part) => {
      stdout += part;
    },
    page: async (text) => {
      stdout += text;
    },
    readInput: async () => "",
    stdinIsTerminal: false,
    stdoutIsTerminal: false,
    stderrIsTerminal: false,
    onStopSignal: () => () => {},
    exitNow: () => {
      throw new Error("exit");
    },
    readSecret: async () => "",
    ...overrides,
  };
  return { code: await runCli(args, shell), stdout, stderr };
}

async function listenAnywhere(): Promise<{ server: Server; port: number }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return { server, port: typeof address === "object" && address !== null ? address.port : 0 };
}

describe("help and usage", () => {
  test("--help lists the commands", async () => {
    const { code, stdout, stderr } = await run(["--help"]);
    expect([code, stderr]).toEqual([0, ""]);
    await expect(stdout).toMatchFileSnapshot(join(HELP, "help.txt"));
  });

  test("serve --help lists every setting", async () => {
    const { code, stdout } = await run(["serve", "--help"]);
    expect(code).toBe(0);
    await expect(stdout).toMatchFileSnapshot(join(HELP, "help-serve.txt"));
  });

  test("an unknown command exits with 78 and the nearest one", async () => {
    const { code, stdout, stderr } = await run(["srve"]);
    expect([code, stdout]).toEqual([78, ""]);
    expect(stderr).toContain("Did you mean serve?");
  });

  test("a wrong setting stops serve with 78, one message on stderr, nothing on stdout", async () => {
    const { code, stdout, stderr } = await run(["serve", "--port", "x"]);
    expect([code, stdout]).toEqual([78, ""]);
    expect(stderr).toBe(
      "eider: the configuration is not valid: port must be a whole number from 0 to 65535, not `x` (from --port)\n",
    );
  });
});

describe("eider check", () => {
  const extensions = process.env["EIDER_EXTENSION_DIR"] ?? "";

  test("passes on an empty folder, says so line by line, and leaves the folder empty", async () => {
    await using dir = tempDir();
    const flags = ["--data-dir", join(dir.path, "a", "b"), "--port", "0", "--http-port", "0"];
    const { code, stdout } = await run(["check", ...flags, "--extension-dir", extensions]);
    expect(stdout).not.toContain("FAIL");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ok {4}extensions +ducklake loaded$/m);
    expect(existsSync(join(dir.path, "a"))).toBe(false);
  });

  test("reports every failure and exits with 78", async () => {
    await using dir = tempDir();
    const { server, port } = await listenAnywhere();
    try {
      writeFileSync(join(dir.path, "file"), "");
      const flags = ["--port", `${port}`, "--http-port", "0", "--data-path", join(dir.path, "file", "lake")];
      const { code, stdout } = await run(
        ["check", "--data-dir", dir.path, "--catalog", `duckdb:${dir.path}`, "--extension-dir", extensions, ...flags],
        { env: { HOME: dir.path, UV_THREADPOOL_SIZE: "4" } },
      );
      expect(code).toBe(78);
      const failed = [...stdout.matchAll(/^FAIL {2}(\S+(?: \S+)?)/gm)].map(([, name]) => name);
      expect(failed).toEqual(["threads", "catalog", "data path", "flight port"]);
      expect(stdout).toContain(`port ${port} on 127.0.0.1 cannot be taken`);
    } finally {
      server.close();
    }
  });

  test("reports bad settings alone", async () => {
    const { code, stdout } = await run(["check", "--port", "x"]);
    expect(code).toBe(78);
    expect(stdout).toMatch(/^FAIL {2}settings/);
  });
});

describe("thread pool", () => {
  test("counts flushes and workers", () => {
    const config = { maxParallelFlushes: 2, bufferWorkers: 1 };
    expect(threadPoolProblem({ UV_THREADPOOL_SIZE: "11" }, config)).toBeUndefined();
    expect(threadPoolProblem({ UV_THREADPOOL_SIZE: "10" }, config)).toContain("11 or more are needed");
    expect(threadPoolProblem({}, config)).toContain("UV_THREADPOOL_SIZE is 4");
  });
});

describe("bin/eider", () => {
  const exec = promisify(execFile);

  async function fakePackage(path: string): Promise<string> {
    mkdirSync(join(path, "pkg", "bin"), { recursive: true });
    mkdirSync(join(path, "pkg", "dist", "src"), { recursive: true });
    mkdirSync(join(path, "links"));
    copyFileSync(join(REPO, "bin", "eider"), join(path, "pkg", "bin", "eider"));
    chmodSync(join(path, "pkg", "bin", "eider"), 0o755);
    const main = "console.log(JSON.stringify([process.env.UV_THREADPOOL_SIZE, ...process.argv.slice(2)]))";
    writeFileSync(join(path, "pkg", "dist", "src", "main.js"), main);
    symlinkSync("../pkg/bin/eider", join(path, "links", "eider"));
    symlinkSync(join(path, "links", "eider"), join(path, "eider again"));
    return join(path, "eider again");
  }

  test("finds its package through links, sets the thread pool, and passes arguments on as they are", async () => {
    await using dir = tempDir();
    const program = await fakePackage(dir.path);
    const { UV_THREADPOOL_SIZE: _, ...env } = process.env;
    const plain = await exec(program, ["serve", "a b", "$c"], { env, cwd: "/" });
    expect(JSON.parse(plain.stdout)).toEqual(["32", "serve", "a b", "$c"]);
    const set = await exec(program, [], { env: { ...env, UV_THREADPOOL_SIZE: "7" } });
    expect(JSON.parse(set.stdout)).toEqual(["7"]);
  });

  test("says what to do when there is no build", async () => {
    await using dir = tempDir();
    mkdirSync(join(dir.path, "bin"));
    copyFileSync(join(REPO, "bin", "eider"), join(dir.path, "bin", "eider"));
    await expect(exec("sh", [join(dir.path, "bin", "eider")])).rejects.toThrow(/run: npm run build/);
  });
});

describe("user add", () => {
  test("makes a users file, changes users in it, and prints a token once", async () => {
    await using folder = tempDir("users");
    const file = join(folder.path, "users.yaml");
    const add = (args: string[], password = "") =>
      run(["user", "add", ...args, "--users-file", file], { readSecret: async () => password });
    expect(await add(["ann", "--role", "read", "--schema", "sales=write"], "hunter2")).toMatchObject({
      code: 0,
      stdout: "",
    });
    const made = await add(["ann", "--token"]);
    expect(made.stdout).toMatch(/^eider-token-\S{43}\n$/);
    const { users } = await readUsers(file);
    expect(users["ann"]).toMatchObject({
      role: "read",
      schemas: { sales: "write" },
      tokens: [hashToken(made.stdout.trim())],
    });
    expect(readFileSync(file, "utf8")).not.toMatch(/hunter2|eider-token/);
    expect((await add(["bob", "--role", "king"], "x")).code).toBe(78);
    expect((await add(["b:ob", "--role", "read"], "x")).stderr).toMatch(/ends a name at its colon/);
    expect((await add(["bob", "--role", "read"], "")).stderr).toMatch(/password is empty/);
    expect(Object.keys((await readUsers(file)).users)).toEqual(["ann"]);
  });

  test("leaves a users file where it is, and to whom it belongs", async () => {
    await using folder = tempDir("users");
    const file = join(folder.path, "users.yaml");
    const link = join(folder.path, "link.yaml");
    writeFileSync(file, "users: {}\n");
    chmodSync(file, 0o640);
    // Who is not root cannot give files away, and has none but own ones to keep.
    if (process.getuid?.() === 0) chownSync(file, 4214, 4280);
    const before = statSync(file);
    symlinkSync(file, link);
    expect((await run(["user", "add", "ann", "--token", "--role", "read", "--users-file", link])).code).toBe(0);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    const after = statSync(file);
    expect([after.mode, after.uid, after.gid]).toEqual([before.mode, before.uid, before.gid]);
    expect(Object.keys((await readUsers(file)).users)).toEqual(["ann"]);
  });
});
