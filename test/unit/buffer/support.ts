import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Table, tableToIPC } from "apache-arrow";
import { Message } from "apache-arrow/ipc/metadata/message";
import type { Column, TableShape } from "../../../src/base/table.ts";
import { rowsSql } from "../../../src/buffer/segment-rows.ts";
import { BufferStore, type BufferStoreOptions } from "../../../src/buffer/store.ts";
import type { ArrowMessage, Compaction, SealedSegment } from "../../../src/buffer/types.ts";
import { Database } from "../../../src/duck/database.ts";

/** A table as Flight sends it: the schema message and one message per batch, each in memory of its own. */
export interface Wire {
  readonly schema: Uint8Array;
  readonly batches: readonly ArrowMessage[];
}

/** Splits an IPC stream into bare messages: continuation, length, flatbuffer, body. */
export function wireOf(table: Table): Wire {
  const bytes = tableToIPC(table, "stream");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: ArrowMessage[] = [];
  for (let at = 0; at + 8 <= bytes.byteLength; ) {
    const length = view.getInt32(at + 4, true);
    if (length === 0) break;
    const header = bytes.slice(at + 8, at + 8 + length);
    const bodyBytes = Number(Message.decode(header).bodyLength);
    const body = bytes.slice(at + 8 + length, at + 8 + length + bodyBytes);
    messages.push({ header, body });
    at += 8 + length + bodyBytes;
  }
  const [schema, ...batches] = messages;
  if (!schema) throw new Error("no schema message");
  return { schema: schema.header, batches };
}

/** The only batch of a table that has one. */
export function batchOf(table: Table): ArrowMessage {
  const { batches } = wireOf(table);
  if (batches.length !== 1 || !batches[0]) throw new Error(`the table has ${batches.length} batches`);
  return batches[0];
}

export function column(name: string, type: string, nullable = true): Column {
  return { name, type, nullable };
}

export function shapeOf(table: string, columns: readonly Column[], primaryKey: readonly string[] = []): TableShape {
  return { target: { schema: "main", table }, columns, primaryKey };
}

export interface TestStore extends AsyncDisposable {
  readonly store: BufferStore;
  readonly dir: string;
  /** What onSealed heard, in order. */
  readonly heard: readonly SealedSegment[];
  readonly logs: ReadonlyArray<{ level: string; message: string }>;
  /** Closes the store and opens another on the same folder. */
  reopen(options?: Partial<BufferStoreOptions>): Promise<TestStore>;
}

export async function tempDir(): Promise<string> {
  return mkdtemp(join(tmpdir(), "eider-buffer-"));
}

/** A store with limits that no test reaches by accident. The folder goes away with it unless `keep`. */
export async function openStore(options: Partial<BufferStoreOptions> = {}, keep = false): Promise<TestStore> {
  const dir = options.bufferDir ?? (await tempDir());
  const heard: SealedSegment[] = [];
  const logs: Array<{ level: string; message: string }> = [];
  const say = (level: string) => (_: object, message: string) => logs.push({ level, message });
  const store = await BufferStore.open({
    workers: 1,
    bufferMemoryMb: 16,
    flushMemoryMb: 256,
    maxParallelFlushes: 2,
    bufferMaxRows: 1_000_000,
    bufferMaxBytes: 1_000_000_000,
    diskLimitBytes: 10_000_000_000,
    fullWaitSeconds: 30,
    stageMemoryBytes: 4 * 1024 * 1024,
    lakeTakesFiles: false,
    tokenRetentionSeconds: 3600,
    failpoints: {},
    onSealed: (segment) => heard.push(segment),
    log: { info: say("info"), warn: say("warn"), error: say("error") },
    ...options,
    bufferDir: dir,
  });
  let isClosed = false;
  const close = async () => {
    if (!isClosed) await store[Symbol.asyncDispose]();
    isClosed = true;
  };
  return {
    store,
    dir,
    heard,
    logs,
    reopen: async (changed = {}) => {
      await close();
      return openStore({ ...options, ...changed, bufferDir: dir }, keep);
    },
    [Symbol.asyncDispose]: async () => {
      await close();
      if (!keep) await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Runs a query with a segment's file attached as `s`. */
export async function querySegments(
  segments: readonly { readonly path: string }[],
  sql: string,
  others: Readonly<Record<string, string>> = {},
): Promise<Array<Record<string, unknown>>> {
  const database = await Database.open();
  try {
    const connection = await database.connect();
    for (const [index, { path }] of segments.entries())
      await database.attachFile(connection, path, `s${index}`, "READ_ONLY");
    for (const [alias, path] of Object.entries(others)) await database.attachFile(connection, path, alias, "READ_ONLY");
    return await connection.rows(sql);
  } finally {
    await database[Symbol.asyncDispose]();
  }
}

/** All rows of the segments in order, each with its seq. */
export async function rowsOf(
  segments: readonly SealedSegment[],
  columns: string,
): Promise<Array<Record<string, unknown>>> {
  const rows: Array<Record<string, unknown>> = [];
  for (const segment of segments) {
    const found = await querySegments(
      [segment],
      `SELECT (rowid + ${segment.firstSeq})::INTEGER AS seq, ${columns} FROM ${rowsSql("s0", segment)} ORDER BY rowid`,
    );
    rows.push(...found);
  }
  return rows;
}

/** The rows that win, as the lake would insert them: `path` undefined means all. */
export async function winnersOf(
  segments: readonly SealedSegment[],
  compaction: Compaction,
  columns: string,
): Promise<Array<Record<string, unknown>>> {
  const parts = segments.map(
    (_, index) => `SELECT ${index} AS segment, rowid AS rid, ${columns} FROM s${index}.main.rows`,
  );
  const all = `SELECT * FROM (${parts.join(" UNION ALL ")})`;
  if (compaction.path === undefined) return querySegments(segments, `${all} ORDER BY segment, rid`);
  const sql = `${all} WHERE (segment, rid) IN (SELECT segment, rid FROM w.main.winners) ORDER BY segment, rid`;
  return querySegments(segments, sql, { w: compaction.path });
}

/** Polls until `condition` holds; the test's own timeout ends it otherwise. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}
