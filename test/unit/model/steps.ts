import { type DataType, Int32, Int64, Table, Utf8, type Vector, vectorFromArray } from "apache-arrow";
import fc from "fast-check";
import { expect } from "vitest";
import { FAILPOINTS, type FailpointSpec } from "../../../src/base/failpoints.ts";
import { lakeTable, quoteIdentifier } from "../../../src/duck/sql.ts";
import { EiderError } from "../../../src/errors.ts";
import { BulkIngest } from "../../../src/ingest/bulk-ingest.ts";
import { whileDefining } from "../../../src/ingest/definitions.ts";
import { PathPut } from "../../../src/ingest/path-put.ts";
import { wireOf } from "../buffer/support.ts";
import { query, target } from "../lake/lake-fixture.ts";
import type { System } from "./system.ts";
import type { Cell, CellType, ModelColumn, TableModel } from "./table-model.ts";

/** One run: the system, what it must hold, and what makes values differ. */
export interface Run {
  readonly system: System;
  readonly tables: readonly TableModel[];
  /** Batches that were acknowledged under a token. */
  readonly tokens: Array<{ readonly table: TableModel; readonly token: string; readonly seq: number }>;
  count: number;
}

/** Plain values, so that fast-check can shrink and print them. */
export interface Step {
  readonly kind: keyof typeof STEPS;
  readonly table: number;
  /** Of a batch; and which of several things the step takes. */
  readonly size: number;
  readonly pick: number;
  readonly flag: boolean;
}

type StepRun = (run: Run, table: TableModel, step: Step) => Promise<void>;

const KEYS = 60;

/** THE table of steps, each with its weight. */
export const STEPS = {
  put: { weight: 8, run: putBatches },
  ingest: { weight: 4, run: ingest },
  abandon: { weight: 1, run: abandonIngest },
  delete: { weight: 3, run: deleteKeys },
  repeat: { weight: 2, run: repeatToken },
  direct: { weight: 2, run: writeDirectly },
  addColumn: { weight: 1, run: addColumn },
  dropColumn: { weight: 1, run: dropColumn },
  renameColumn: { weight: 1, run: renameColumn },
  widenColumn: { weight: 1, run: widenColumn },
  seal: { weight: 3, run: seal },
  flush: { weight: 4, run: flush },
  flushAll: { weight: 1, run: ({ system }) => retrying(() => system.flusher.flushAll("command")) },
  maintain: { weight: 2, run: maintainDuringFlush },
  read: { weight: 2, run: (run, table) => check(run, table) },
  reopen: { weight: 1, run: ({ system }, _, step) => system.reopen(failpointsOf(step)) },
  kill: { weight: 2, run: ({ system }, _, step) => system.kill(failpointsOf(step)) },
} as const satisfies Record<string, { weight: number; run: StepRun }>;

export const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(
    ...Object.entries(STEPS).map(([kind, { weight }]) => ({
      weight,
      arbitrary: fc.constant(kind as keyof typeof STEPS),
    })),
  ),
  table: fc.nat(1),
  size: fc.integer({ min: 1, max: 30 }),
  pick: fc.nat(1000),
  flag: fc.boolean(),
});

export async function runStep(run: Run, each: Step): Promise<void> {
  const table = run.tables[each.table % run.tables.length] as TableModel;
  const found: StepRun = STEPS[each.kind].run;
  await found(run, table, each);
}

/** What the table holds once all that waits is in the lake, compared with the model. */
export async function check({ system }: Run, table: TableModel): Promise<void> {
  await retrying(() => system.flusher.flush(target(table.name), "read"));
  const cells = ["id", ...table.columns.map(({ name }) => name)].map(
    (name) => `coalesce(${quoteIdentifier(name)}::VARCHAR, 'NULL')`,
  );
  const rows = await query(
    system.lake,
    `SELECT [${cells.join(", ")}]::VARCHAR[] AS row FROM ${name(table)} ORDER BY id`,
  );
  const found = rows.map(({ row }) => row as string[]);
  expect(found).toEqual(table.expected);
}

/** A failed attempt is made again: by the flusher itself a second later, here at once. */
async function retrying(flush: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await flush();
    } catch (error) {
      if (attempt === 5) throw error;
    }
  }
}

const name = (table: TableModel) => lakeTable(target(table.name));

/** Errors once, at one point of the way of a row; what the caller of that moment is told is not acknowledged. */
const FLUSH_FAILPOINTS = FAILPOINTS.filter((name) => !/^(append|stage)\./.test(name));

function failpointsOf({ flag, pick, size }: Step): FailpointSpec {
  const failpoint = FLUSH_FAILPOINTS[pick % FLUSH_FAILPOINTS.length];
  if (!flag || failpoint === undefined) return {};
  return { [failpoint]: { action: "error", message: `IO Error: injected at ${failpoint}`, skip: size % 3, times: 1 } };
}

/** New ids, or keys of which some are there already; a batch may hold one twice, and then the last one counts. */
function idsOf(run: Run, table: TableModel, { size, pick }: Step): number[] {
  if (!table.isKeyed) return Array.from({ length: size }, (_, i) => ++run.count * 100 + i);
  return Array.from({ length: size }, (_, i) => (pick + i * ((pick % 3) + 1)) % KEYS);
}

/** Most often all columns, else the first ones: the others are NULL. */
function sentColumns(table: TableModel, { flag, pick }: Step): readonly ModelColumn[] {
  return flag ? table.columns : table.columns.slice(0, pick % (table.columns.length + 1));
}

function cellsOf(run: Run): (id: number, column: ModelColumn) => Cell {
  const n = ++run.count;
  return (id, { id: column, type }) => {
    if ((id + column + n) % 7 === 0) return null;
    return type === "VARCHAR" ? `${n}/${id}/${column} — long enough not to be inlined` : n * 1000 + id + column;
  };
}

function batchOf(ids: readonly number[], columns: readonly ModelColumn[], cells: ReturnType<typeof cellsOf>): Table {
  const vectors: Record<string, Vector> = { id: vectorFromArray(ids.map(BigInt), new Int64()) };
  for (const column of columns) {
    const values = ids.map((id) => cells(id, column));
    const type: DataType = { VARCHAR: new Utf8(), INTEGER: new Int32(), BIGINT: new Int64() }[column.type];
    const typed = column.type === "BIGINT" ? values.map((value) => value && BigInt(value)) : values;
    vectors[column.name] = vectorFromArray(typed as unknown[], type);
  }
  return new Table(vectors);
}

async function putAll(
  run: Run,
  table: TableModel,
  batches: readonly Table[],
  metadata: ReadonlyArray<Readonly<Record<string, string>>>,
): Promise<number[]> {
  const wires = batches.map(wireOf);
  const stream = await PathPut.open(run.system.services, target(table.name), wires[0]?.schema ?? new Uint8Array(), "s");
  try {
    const acks = wires.map((wire, i) => {
      const [message] = wire.batches;
      if (!message) throw new Error("a table of one batch");
      return stream.put(message, Buffer.from(JSON.stringify(metadata[i] ?? {})));
    });
    return (await Promise.all(acks)).map((ack) => ack?.seq ?? 0);
  } finally {
    await stream.close();
  }
}

/** Several batches at once: they may share a commit, and they keep their order. */
async function putBatches(run: Run, table: TableModel, step: Step): Promise<void> {
  const sent = sentColumns(table, step);
  const parts = Array.from({ length: 1 + (step.pick % 3) }, (_, i) => {
    const ids = idsOf(run, table, { ...step, pick: step.pick + i });
    return { ids, cells: cellsOf(run), token: `token ${++run.count}` };
  });
  const seqs = await putAll(
    run,
    table,
    parts.map(({ ids, cells }) => batchOf(ids, sent, cells)),
    parts.map(({ token }) => ({ token })),
  );
  for (const [i, { ids, cells, token }] of parts.entries()) {
    table.write(ids, cells, sent);
    run.tokens.push({ table, token, seq: seqs[i] ?? 0 });
  }
}

async function ingest(run: Run, table: TableModel, step: Step): Promise<void> {
  const sent = sentColumns(table, step);
  const ids = idsOf(run, table, step);
  const cells = cellsOf(run);
  const bulk = await openIngest(run, table, batchOf(ids, sent, cells));
  expect(await bulk.finish()).toBe(ids.length);
  table.write(ids, cells, sent);
}

async function abandonIngest(run: Run, table: TableModel, step: Step): Promise<void> {
  const bulk = await openIngest(run, table, batchOf(idsOf(run, table, step), table.columns, cellsOf(run)));
  await bulk.abort();
}

async function openIngest({ system }: Run, table: TableModel, batch: Table): Promise<BulkIngest> {
  const request = {
    target: target(table.name),
    temporary: false,
    ifNotExists: "fail",
    ifExists: "append",
    direct: false,
    transaction: undefined,
  } as const;
  const { schema, batches } = wireOf(batch);
  const bulk = await BulkIngest.open(system.services, system.sql, request, schema, "s");
  for (const message of batches) await bulk.write(message);
  return bulk;
}

async function deleteKeys(run: Run, table: TableModel, step: Step): Promise<void> {
  if (!table.isKeyed) return;
  const ids = idsOf(run, table, step);
  await putAll(run, table, [batchOf(ids, [], cellsOf(run))], [{ op: "delete" }]);
  table.delete(ids);
}

/** Also after flushes and restarts: acknowledged with the first number, and not stored again. */
async function repeatToken(run: Run, _: TableModel, { pick }: Step): Promise<void> {
  const known = run.tokens[pick % Math.max(1, run.tokens.length)];
  if (!known) return;
  const batch = batchOf([run.count * 100 + 99], [], cellsOf(run));
  expect(await putAll(run, known.table, [batch], [{ token: known.token }])).toEqual([known.seq]);
}

/** SQL of a session, which first waits for the rows that are older than its own. */
async function writeDirectly(run: Run, table: TableModel, { pick }: Step): Promise<void> {
  await retrying(() => run.system.flusher.flush(target(table.name), "read"));
  const chosen = [...table.rows.keys()].filter((id) => id % 3 === pick % 3);
  if (chosen.length === 0) return;
  await query(run.system.lake, `DELETE FROM ${name(table)} WHERE id IN (${chosen.join(", ")})`);
  table.delete(chosen);
}

/** `flag`: as a session does, which flushes before; else as another process, so that rows that wait meet the change. */
async function alter({ system }: Run, table: TableModel, flag: boolean, change: string): Promise<void> {
  if (flag) await retrying(() => system.flusher.flush(target(table.name), "command"));
  await whileDefining(system.lake, undefined, () => query(system.lake, `ALTER TABLE ${name(table)} ${change}`));
}

async function addColumn(run: Run, table: TableModel, { flag, pick }: Step): Promise<void> {
  if (table.columns.length >= 6) return;
  const column = table.addColumn((["VARCHAR", "INTEGER", "BIGINT"] as const)[pick % 3] as CellType);
  await alter(run, table, flag, `ADD COLUMN ${quoteIdentifier(column.name)} ${column.type}`);
}

async function dropColumn(run: Run, table: TableModel, { flag, pick }: Step): Promise<void> {
  const column = table.columns[pick % table.columns.length];
  if (!column || table.columns.length === 1) return;
  await alter(run, table, flag, `DROP COLUMN ${quoteIdentifier(column.name)}`);
  table.dropColumn(column.id);
}

async function renameColumn(run: Run, table: TableModel, { flag, pick }: Step): Promise<void> {
  const column = table.columns[pick % table.columns.length];
  if (!column) return;
  const renamed = `n${++run.count}`;
  await alter(run, table, flag, `RENAME COLUMN ${quoteIdentifier(column.name)} TO ${quoteIdentifier(renamed)}`);
  table.changeColumn(column.id, { name: renamed });
}

async function widenColumn(run: Run, table: TableModel, { flag }: Step): Promise<void> {
  const column = table.columns.find(({ type }) => type === "INTEGER");
  if (!column) return;
  await alter(run, table, flag, `ALTER ${quoteIdentifier(column.name)} TYPE BIGINT`);
  table.changeColumn(column.id, { type: "BIGINT" });
}

async function seal({ system }: Run, table: TableModel): Promise<void> {
  try {
    await system.buffers.seal(target(table.name), "age");
  } catch (error) {
    if (!/injected/.test(String(error))) throw error;
  }
}

function flush({ system }: Run, table: TableModel): Promise<void> {
  return retrying(() => system.flusher.flush(target(table.name), "command"));
}

/** Whichever commits second loses, and only it. */
async function maintainDuringFlush({ system }: Run, table: TableModel, { flag }: Step): Promise<void> {
  const kind = flag ? "rewrite" : "merge";
  const work = { kind, target: target(table.name), deleteRatio: 0 } as const;
  const control = { signal: new AbortController().signal, onProgress: () => {} };
  await Promise.all([
    retrying(() => system.flusher.flush(work.target, "command")),
    system.lake.maintain(work, control).catch((error: unknown) => {
      if (!(error instanceof EiderError) || error.code !== "write_conflict") throw error;
    }),
  ]);
}
