import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../support/free-port.ts";
import { installPackage, runPython } from "../support/python.ts";
import { testCases } from "../support/python-cases.ts";
import { REPO } from "../support/repo.ts";
import { type RunningEider, startEider } from "../support/start-eider.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";
import { writeUsers } from "../support/users.ts";

const CLIENT = join(REPO, "clients", "python");

let packages: TempDir;
let eider: RunningEider;

// As its users do: built and installed by pip, so that what the package lacks is missed.
beforeAll(async () => {
  packages = tempDir("python-client");
  await installPackage(CLIENT, packages.path);
  eider = await startEider({ settings: { bufferMaxAgeSeconds: 2 } });
});

afterAll(async () => {
  await eider[Symbol.asyncDispose]();
  await packages[Symbol.asyncDispose]();
});

describe("the Python client", () => {
  testCases("clients/python/tests/client_cases.py", {
    server: () => eider,
    packages: async () => packages.path,
    env: () => ({ PYTHONDONTWRITEBYTECODE: "1" }),
  });
});

test("a write goes on when the server was killed, and the next read sees it", async () => {
  await using dir = tempDir("python-client-data");
  const port = await freePort();
  const start = () => startEider({ dataDir: dir.path, settings: { port, bufferMaxAgeSeconds: 3600 } });
  let running = await start();
  try {
    const script = `
import json, os, signal, sys
import eider, pyarrow as pa
given = json.load(sys.stdin)
def batches():
    for i in range(100):
        if i == 50:
            os.kill(given["pid"], signal.SIGKILL)
        yield pa.record_batch({"id": range(i * 10, i * 10 + 10)})
with eider.connect(given["uri"], retries=60) as client:
    table = client.table("numbers")
    written = table.append(batches())
    rows = table.scan(["id"], where=[("id", ">=", 0)]).to_arrow()["id"].to_pylist()
print(json.dumps({"written": written.rows, "read": len(rows), "distinct": len(set(rows))}))`;
    const pid = running.process.pid;
    const result = runPython(script, { uri: running.flightUri, pid }, { env: { PYTHONPATH: packages.path } });
    result.catch(() => undefined);
    await running.exited;
    running = await start();
    expect(await result).toEqual({ written: 1000, read: 1000, distinct: 1000 });
  } finally {
    await running.kill();
  }
});

test("signs in by token and by password, and is told when it may not", async () => {
  await using dir = tempDir("python-client-users");
  const { path, tokens } = writeUsers(dir.path, { ada: { role: "write" }, eve: { role: "read" } });
  await using secured = await startEider({ settings: { usersFile: path } });
  const script = `
import json, sys
import eider
given = json.load(sys.stdin)
with eider.connect(given["uri"], token=given["ada"]) as ada:
    ada.table("signed").append({"id": [1]})
    ada.table("signed").flush()
with eider.connect(given["uri"], token=given["eve"]) as eve:
    rows = eve.table("signed").scan().to_pylist()
    try:
        eve.table("signed").append({"id": [2]})
    except eider.EiderError as error:
        refused = error.code
try:
    eider.connect(given["uri"], user="ada", password="wrong")
except eider.EiderError as error:
    wrong = error.code
print(json.dumps({"rows": rows, "refused": refused, "wrong": wrong}))`;
  const result = await runPython(script, { uri: secured.flightUri, ...tokens }, { env: { PYTHONPATH: packages.path } });
  expect(result).toEqual({ rows: [{ id: 1 }], refused: "forbidden", wrong: "unauthenticated" });
});
