import { targetKey, targetName } from "../base/target.ts";
import type { Compaction } from "../buffer/types.ts";
import { EiderError } from "../errors.ts";
import type { CommitResult } from "../lake/types.ts";
import { type Batch, exceedsBatch } from "./batch.ts";
import type { CommitRest } from "./commit-rest.ts";
import type { FlushFacts } from "./history.ts";
import type { FlushObserver, FlushRecord } from "./observer.ts";
import type { TableQueue } from "./table-queue.ts";
import type { FlushLake } from "./types.ts";

/** What became of one table in a commit. */
export type TableOutcome =
  | { readonly table: TableQueue; readonly batch: Batch; readonly facts: FlushFacts }
  | { readonly table: TableQueue; readonly error: unknown; readonly phasesMs: FlushRecord["phasesMs"] };

/** A table whose winners are known. */
interface ReadyTable {
  readonly table: TableQueue;
  readonly batch: Batch;
  readonly compaction: Compaction;
}

/** Makes one commit of many tables; one at a time. */
export class Committer {
  readonly #lake: FlushLake;
  readonly #rest: CommitRest;
  readonly #observer: FlushObserver;

  constructor(lake: FlushLake, rest: CommitRest, observer: FlushObserver) {
    this.#lake = lake;
    this.#rest = rest;
    this.#observer = observer;
  }

  /** Commits those of the tables that are ready, within the limits of one commit; undefined when none is. Never rejects. */
  commit(tables: Iterable<TableQueue>): Promise<readonly TableOutcome[]> | undefined {
    const ready = takeReady(tables);
    return ready.length === 0 ? undefined : this.#commit(ready);
  }

  async #commit(ready: readonly ReadyTable[]): Promise<readonly TableOutcome[]> {
    this.#rest.commitBegins();
    for (const { table } of ready) table.stage = "committing";
    let result: CommitResult | undefined;
    try {
      const parts = ready.map(({ table, batch, compaction }) => ({
        target: table.target,
        segments: batch.segments,
        compaction,
      }));
      result = await this.#lake.commitFlush(parts);
    } catch (error) {
      return ready.map(({ table }) => ({ table, error, phasesMs: {} }));
    } finally {
      this.#rest.commitEnds(result && { commitMs: result.phasesMs.commit, conflicts: result.conflicts.length });
    }
    if (result.wasInDoubt) this.#observer.inDoubt();
    return ready.map((row) => outcomeOf(row, result));
  }
}

/** All tables that are ready, within the limits of one commit; those left over go next. */
function takeReady(tables: Iterable<TableQueue>): ReadyTable[] {
  const ready: ReadyTable[] = [];
  let rows = 0;
  let bytes = 0;
  for (const table of tables) {
    const { batch, stage } = table;
    if (stage !== "ready" || !batch?.compaction) continue;
    rows += batch.compaction.rowsOut;
    bytes += batch.segments.reduce((sum, segment) => sum + segment.bytes, 0);
    if (ready.length > 0 && exceedsBatch(rows, bytes)) break;
    ready.push({ table, batch, compaction: batch.compaction });
  }
  return ready;
}

function outcomeOf({ table, batch }: ReadyTable, result: CommitResult): TableOutcome {
  const key = targetKey(table.target);
  const outcome = result.outcomes.find((row) => targetKey(row.target) === key);
  const failure = result.failures.find((row) => targetKey(row.target) === key);
  const phasesMs = { compact: batch.compactMs, ...result.phasesMs };
  if (outcome && !failure) return { table, batch, facts: { ...outcome, phasesMs } };
  const error = failure?.error ?? new EiderError("internal", `no outcome for ${targetName(table.target)}`);
  return { table, error, phasesMs };
}
