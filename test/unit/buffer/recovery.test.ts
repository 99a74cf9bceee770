import { fork } from "node:child_process";
import { existsSync } from "node:fs";
import {
  appendFile,
  copyFile,
  open as openFile,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Worker } from "node:worker_threads";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { FailpointSpec } from "../../../src/base/failpoints.ts";
import type { SealedSegment } from "../../../src/buffer/types.ts";
import { EVENTS, eventsOf, KEYED } from "./events.ts";
import { closeAfterTest, open } from "./opened.ts";
import { batchOf, rowsOf, tempDir, wireOf } from "./support.ts";

/** The threads that stores have started, so that a test can end one behind a store's back. */
const { workers, heap } = vi.hoisted(() => ({
  workers: [] as Worker[],
  /** Of the threads started from now on. */
  heap: { limitMb: undefined as number | undefined },
}));
vi.mock("node:worker_threads", async (importOriginal) => {
  const real = await importOriginal<typeof import("node:worker_threads")>();
  class RecordedWorker extends real.Worker {
    constructor(...[file, options]: ConstructorParameters<typeof Worker>) {
      const { limitMb } = heap;
      super(file, limitMb ? { ...options, resourceLimits: { maxOldGenerationSizeMb: limitMb } } : options);
      workers.push(this);
    }
  }
  return { ...real, Worker: RecordedWorker };
});

async function newFolder(): Promise<string> {
  const folder = await tempDir();
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

interface Run {
  readonly failpoints?: FailpointSpec;
  readonly firstBatch?: number;
  readonly batches?: number;
  readonly bufferMaxRows?: number;
  readonly staged?: boolean;
  /** SIGKILLed by the test after this many acknowledgements. */
  readonly killAfter?: number;
}

/** Runs crash-child until it is dead; resolves to the acknowledgements that it printed. */
async function crash(dir: string, run: Run): Promise<string[]> {
  const options = join(dir, "..", `${basename(dir)}.json`);
  onTestFinished(() => rm(options, { recursive: true, force: true }));
  const all = { failpoints: {}, firstBatch: 0, batches: 10, bufferMaxRows: 1_000_000, staged: false, ...run, dir };
  await writeFile(options, JSON.stringify(all));
  const child = fork(new URL("./crash-child.js", import.meta.url), [options], {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  let output = "";
  let errors = "";
  child.stderr?.on("data", (chunk) => {
    errors += chunk;
  });
  child.stdout?.on("data", (chunk) => {
    output += chunk;
    if (run.killAfter !== undefined && output.split("\n").length > run.killAfter) child.kill("SIGKILL");
  });
  const signal = await new Promise((resolve) => child.once("close", (_, by) => resolve(by)));
  expect(`${signal} ${errors}`).toBe("SIGKILL ");
  return output.split("\n").filter((line) => line.startsWith("ack "));
}

async function idsOf(segments: readonly SealedSegment[]): Promise<number[]> {
  const rows = await rowsOf(segments, "id::INTEGER AS id");
  expect(rows.map((row) => row["seq"])).toEqual(
    segments.flatMap(({ firstSeq, rows: count }) => Array.from({ length: count }, (_, index) => firstSeq + index)),
  );
  return rows.map((row) => Number(row["id"]));
}

describe("a process that is killed", () => {
  const upTo = (batches: number) => Array.from({ length: 2 * batches }, (_, index) => index);

  test("after acknowledgements: each acknowledged row is there once, in order, and its token is known", async () => {
    const dir = await newFolder();
    const acks = await crash(dir, { batches: 200, killAfter: 25, bufferMaxRows: 14 });
    const t = await open({ bufferDir: dir }, true);
    const ids = await idsOf(t.store.recovered);
    expect(ids).toEqual(upTo(ids.length / 2));
    expect(ids.length / 2).toBeGreaterThanOrEqual(acks.length);
    expect(t.store.recovered.every((segment) => segment.recovered && segment.reason === "recovery")).toBe(true);
    expect(t.store.quarantined).toEqual([]);
    await t.store.ensureBuffer(EVENTS, 0);
    const stream = await t.store.appendToBuffer(EVENTS.target, wireOf(eventsOf([1])).schema, "s");
    expect(await stream.append(batchOf(eventsOf([0, 1])), { token: "t0" })).toEqual({
      rows: 2,
      seq: 2,
      duplicate: true,
    });
    expect(await stream.append(batchOf(eventsOf([-1])), {})).toMatchObject({ seq: ids.length + 1, duplicate: false });
  });

  const KILL = { action: "kill", skip: 3, times: 1 } as const;
  const POINTS: ReadonlyArray<readonly [string, Run, { acks: number; batches: number }]> = [
    ["before a COMMIT", { failpoints: { "append.before_commit": KILL } }, { acks: 3, batches: 3 }],
    [
      "after a COMMIT, before its acknowledgement",
      { failpoints: { "append.after_commit": KILL } },
      { acks: 3, batches: 4 },
    ],
    [
      "before the checkpoint",
      { failpoints: { "seal.before_checkpoint": { action: "kill" } } },
      { acks: 10, batches: 10 },
    ],
    [
      "after the checkpoint",
      { failpoints: { "seal.after_checkpoint": { action: "kill" } } },
      { acks: 10, batches: 10 },
    ],
    [
      "before a staged COMMIT",
      { staged: true, batches: 50, failpoints: { "stage.before_publish": { action: "kill" } } },
      { acks: 0, batches: 0 },
    ],
    [
      "after a staged COMMIT",
      { staged: true, batches: 50, failpoints: { "stage.after_publish": { action: "kill" } } },
      { acks: 0, batches: 50 },
    ],
  ];
  for (const [name, run, expected] of POINTS) {
    test(name, async () => {
      const dir = await newFolder();
      expect(await crash(dir, run)).toHaveLength(expected.acks);
      const t = await open({ bufferDir: dir }, true);
      expect(await idsOf(t.store.recovered)).toEqual(upTo(expected.batches));
      expect(t.store.quarantined).toEqual([]);
      const files = (await readdir(dir, { recursive: true })).filter((file) => /seg-.*\.duckdb(\.wal)?$/.test(file));
      expect(files.map((file) => join(dir, file)).sort()).toEqual(
        t.store.recovered.map((segment) => segment.path).sort(),
      );
    });
  }

  test("twice, and flushed in between: seqs go on, tokens stay", async () => {
    const dir = await newFolder();
    await crash(dir, { batches: 5 });
    const t = await open({ bufferDir: dir }, true);
    await t.store.remove(t.store.recovered, undefined);
    await t[Symbol.asyncDispose]();
    // Batches 3 and 4 are sent again under their tokens.
    await crash(dir, { firstBatch: 3, batches: 4 });
    const second = await open({ bufferDir: dir }, true);
    expect(await idsOf(second.store.recovered)).toEqual([10, 11, 12, 13]);
    expect(second.store.recovered[0]).toMatchObject({ firstSeq: 11 });
  });
});

test("a worker that dies is started again: its rows are recovered, calls under way may be repeated, others go on", async () => {
  const t = await open();
  await t.store.ensureBuffer(EVENTS, 0);
  const stream = await t.store.appendToBuffer(EVENTS.target, wireOf(eventsOf([1])).schema, "s");
  await stream.append(batchOf(eventsOf([1])), { token: "a" });
  await t.store.seal(EVENTS.target, "command");
  await stream.append(batchOf(eventsOf([2])), { token: "b" });
  await workers.at(-1)?.terminate();
  await expect(stream.append(batchOf(eventsOf([3])), {})).rejects.toMatchObject({ code: "buffer_unavailable" });
  while (t.heard.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  const again = await t.store.appendToBuffer(EVENTS.target, wireOf(eventsOf([1])).schema, "s");
  for (const [token, seq] of [
    ["a", 1],
    ["b", 2],
  ] as const) {
    expect(await again.append(batchOf(eventsOf([seq])), { token })).toEqual({ rows: 1, seq, duplicate: true });
  }
  expect(await again.append(batchOf(eventsOf([3])), {})).toMatchObject({ seq: 3 });
  expect(t.heard.map((segment) => segment.reason)).toEqual(["command", "recovery"]);
  await t.store.seal(EVENTS.target, "command");
  expect(await idsOf(t.store.sealed(EVENTS.target))).toEqual([1, 2, 3]);
});

test("a worker that runs out of memory is started again: what was acknowledged is kept, the rest may be repeated", async () => {
  heap.limitMb = 48;
  const t = await open();
  heap.limitMb = undefined;
  await t.store.ensureBuffer(EVENTS, 0);
  const stream = await t.store.appendToBuffer(EVENTS.target, wireOf(eventsOf([1])).schema, "s");
  await stream.append(batchOf(eventsOf([1])), { token: "a" });
  const died = new Promise((resolve) => workers.at(-1)?.once("error", resolve));
  // Together several times what its heap may hold.
  const long = "x".repeat(2 ** 20);
  const ids = Array.from({ length: 200 }, (_, i) => i + 2);
  const sent = await Promise.allSettled(
    ids.map((id) => stream.append(batchOf(eventsOf([id])), { token: `${id} ${long}` })),
  );
  const refused = ids.filter((_, i) => sent[i]?.status === "rejected");
  expect(refused).not.toEqual([]);
  for (const outcome of sent) {
    if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "buffer_unavailable" });
  }
  expect(await died).toMatchObject({ code: "ERR_WORKER_OUT_OF_MEMORY" });
  // As a client does: on a new stream, with the same token, until a thread is there that takes it.
  const insist = async (id: number, token: string) => {
    for (;;) {
      try {
        const again = await t.store.appendToBuffer(EVENTS.target, wireOf(eventsOf([id])).schema, "s");
        return await again.append(batchOf(eventsOf([id])), { token });
      } catch (error) {
        expect(error).toMatchObject({ code: "buffer_unavailable" });
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
  };
  expect(await insist(1, "a")).toMatchObject({ duplicate: true });
  const repeated = refused.slice(0, 3);
  for (const id of repeated) await insist(id, `${id} ${long}`);
  await t.store.seal(EVENTS.target, "command");
  const stored = await idsOf(t.store.sealed(EVENTS.target));
  expect(stored).toEqual(expect.arrayContaining([1, ...repeated]));
  expect(new Set(stored).size).toBe(stored.length);
});

describe("files that are damaged", () => {
  /** Two targets with two segments' worth of rows each, killed, so that WALs are there. */
  async function crashed(): Promise<{ dir: string; wal: string; path: string }> {
    const dir = await newFolder();
    await crash(dir, { batches: 10, failpoints: { "seal.before_checkpoint": { action: "kill" } } });
    const files = await readdir(dir, { recursive: true });
    const wal = join(dir, files.find((file) => file.endsWith(".duckdb.wal")) ?? "");
    return { dir, wal, path: wal.slice(0, -".wal".length) };
  }

  test("a torn last entry of the WAL was never acknowledged: all before it is kept, nothing is reported", async () => {
    const { dir, wal } = await crashed();
    await truncate(wal, (await stat(wal)).size - 7);
    const t = await open({ bufferDir: dir }, true);
    expect(await idsOf(t.store.recovered)).toEqual(Array.from({ length: 18 }, (_, index) => index));
    expect(t.store.quarantined).toEqual([]);
  });

  test("a zero-filled tail: all before it is kept, a copy is set aside and reported", async () => {
    const { dir, wal } = await crashed();
    await appendFile(wal, new Uint8Array(4096));
    const t = await open({ bufferDir: dir }, true);
    expect(await idsOf(t.store.recovered)).toEqual(Array.from({ length: 20 }, (_, index) => index));
    expect(t.store.quarantined).toMatchObject([{ rowsKept: 20 }]);
    expect(t.logs).toContainEqual({ level: "error", message: expect.stringContaining("WAL") });
  });

  test("a flipped byte in the middle: all before it is kept, a copy is set aside and reported", async () => {
    const { dir, wal, path } = await crashed();
    const file = await openFile(wal, "r+");
    const at = Math.floor((await file.stat()).size * 0.8);
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
    await file.write(Buffer.from([(buffer[0] ?? 0) ^ 0xff]), 0, 1, at);
    await file.close();
    await copyFile(wal, join(dir, "damaged.wal"));
    const t = await open({ bufferDir: dir }, true);
    const ids = await idsOf(t.store.recovered);
    expect(ids.length).toBeGreaterThan(0);
    expect(ids.length).toBeLessThan(20);
    expect(ids).toEqual(Array.from({ length: ids.length }, (_, index) => index));
    const [report] = t.store.quarantined;
    expect(report).toMatchObject({ path, rowsKept: ids.length, reason: expect.stringContaining("WAL") });
    const kept = join(report?.movedTo ?? "", `${basename(path)}.wal`);
    expect(await readFile(kept)).toEqual(await readFile(join(dir, "damaged.wal")));
    expect(JSON.parse(await readFile(join(report?.movedTo ?? "", "reason.json"), "utf8"))).toMatchObject({
      rowsKept: ids.length,
    });
  });

  test("a file that is no database is set aside whole; the others are recovered", async () => {
    const { dir, path } = await crashed();
    const bad = join(dirname(path), "seg-bad.duckdb");
    await writeFile(bad, new Uint8Array(50_000).fill(7));
    const t = await open({ bufferDir: dir }, true);
    expect(await idsOf(t.store.recovered)).toHaveLength(20);
    const [report] = t.store.quarantined;
    expect(report).toMatchObject({ path: bad, rowsKept: 0 });
    expect(existsSync(bad)).toBe(false);
    expect((await stat(join(report?.movedTo ?? "", "seg-bad.duckdb"))).size).toBe(50_000);
  });

  test("a WAL without its file is set aside", async () => {
    const { dir, path, wal } = await crashed();
    await rm(path);
    const t = await open({ bufferDir: dir }, true);
    expect(t.store.recovered).toEqual([]);
    const [report] = t.store.quarantined;
    expect(report).toMatchObject({ path, rowsKept: 0, reason: expect.stringContaining("missing") });
    expect(existsSync(join(report?.movedTo ?? "", basename(wal)))).toBe(true);
  });

  test.each([
    ["the WAL is gone", async (path: string) => rm(`${path}.wal`)],
    ["the WAL is empty", async (path: string) => truncate(`${path}.wal`)],
    ["file and WAL are gone", async (path: string) => Promise.all([rm(path), rm(`${path}.wal`)])],
    ["the file is empty, and the WAL gone", async (path: string) => Promise.all([truncate(path), rm(`${path}.wal`)])],
  ])("%s: the loss is reported, once", async (_, damage) => {
    const { dir, path } = await crashed();
    await damage(path);
    const t = await open({ bufferDir: dir }, true);
    expect(t.store.recovered).toEqual([]);
    expect(t.store.quarantined).toMatchObject([
      { path, rowsKept: 0, reason: expect.stringMatching(/missing|cut off/) },
    ]);
    expect(t.logs).toContainEqual({ level: "error", message: expect.stringContaining("not in the lake") });
    const again = await t.reopen();
    closeAfterTest(again);
    expect(again.store.quarantined).toEqual([]);
  });

  test("a sealed segment that was cut to nothing is reported", async () => {
    const t = await open();
    await t.store.ensureBuffer(EVENTS, 0);
    const stream = await t.store.appendToBuffer(EVENTS.target, wireOf(eventsOf([1])).schema, "s");
    await stream.append(batchOf(eventsOf([1, 2])), {});
    await t.store.seal(EVENTS.target, "command");
    const path = t.store.sealed(EVENTS.target)[0]?.path ?? "";
    await truncate(path);
    const second = await t.reopen();
    closeAfterTest(second);
    expect(second.store.quarantined).toMatchObject([{ path }]);
  });

  test("tokens of a flushed segment that cannot be read any more are kept from memory", async () => {
    const t = await open();
    await t.store.ensureBuffer(EVENTS, 0);
    const stream = await t.store.appendToBuffer(EVENTS.target, wireOf(eventsOf([1])).schema, "s");
    const token = "the token of a batch";
    await stream.append(batchOf(eventsOf([1, 2])), { token });
    await t.store.seal(EVENTS.target, "command");
    const segments = t.store.sealed(EVENTS.target);
    const path = segments[0]?.path ?? "";
    const bytes = await readFile(path);
    const at = bytes.indexOf(token);
    expect(at).toBeGreaterThan(0);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await writeFile(path, bytes);
    expect(await t.store.setDamagedAside(segments, true)).toBe(0);
    await t.store.remove(segments, undefined);
    expect(existsSync(path)).toBe(false);
    const second = await t.reopen();
    closeAfterTest(second);
    await second.store.ensureBuffer(EVENTS, 2);
    const again = await second.store.appendToBuffer(EVENTS.target, wireOf(eventsOf([1])).schema, "s");
    expect(await again.append(batchOf(eventsOf([1, 2])), { token })).toEqual({ rows: 2, seq: 2, duplicate: true });
  });

  test("a segment that takes no row is no loss", async () => {
    const t = await open();
    await t.store.ensureBuffer(KEYED, 0);
    const stream = await t.store.appendToBuffer(KEYED.target, wireOf(eventsOf([1])).schema, "s");
    await stream.append(batchOf(eventsOf([])), { token: "a" });
    await expect(stream.append(batchOf(eventsOf([null])), {})).rejects.toMatchObject({ code: "constraint_violated" });
    const second = await t.reopen();
    closeAfterTest(second);
    expect(second.store.quarantined).toEqual([]);
  });

  test("what a crash left half-made is deleted without a word", async () => {
    const { dir, path } = await crashed();
    const folder = dirname(path);
    for (const name of ["seg-new.duckdb", "compact-x.duckdb", "target.json.x"])
      await writeFile(join(folder, name), "x");
    await writeFile(join(dir, "staging", "left.duckdb"), "x");
    const t = await open({ bufferDir: dir }, true);
    expect(t.store.quarantined).toEqual([]);
    expect((await readdir(folder)).sort()).toEqual([basename(path), `${basename(path)}.used`, "target.json"].sort());
    expect(await readdir(join(dir, "staging"), { recursive: true })).toEqual(["0"]);
  });

  test("a lost target.json is found in the segments", async () => {
    const { dir, path } = await crashed();
    await rm(join(dirname(path), "target.json"));
    const t = await open({ bufferDir: dir }, true);
    expect(t.store.recovered).toMatchObject([{ target: EVENTS.target, rows: 20 }]);
  });
});

test("keyed segments are recovered with their key, ops and counts", async () => {
  const t = await open();
  await t.store.ensureBuffer(KEYED, 6);
  const stream = await t.store.appendToBuffer(KEYED.target, wireOf(eventsOf([1])).schema, "s");
  await stream.append(batchOf(eventsOf([1, 2])), { op: "insert" });
  const second = await t.reopen();
  closeAfterTest(second);
  expect(second.store.recovered).toMatchObject([
    {
      firstSeq: 7,
      lastSeq: 8,
      rows: 2,
      primaryKey: ["id"],
      columns: KEYED.columns,
      hasNonInserts: false,
      recovered: true,
    },
  ]);
  await second.store.ensureBuffer(KEYED, 0);
  const more = await second.store.appendToBuffer(KEYED.target, wireOf(eventsOf([1])).schema, "s");
  expect(await more.append(batchOf(eventsOf([3])), {})).toMatchObject({ seq: 9 });
  const third = await second.reopen({ workers: 3 });
  closeAfterTest(third);
  expect(third.store.recovered.map((segment) => [segment.firstSeq, segment.hasNonInserts])).toEqual([
    [7, false],
    [9, true],
  ]);
});
