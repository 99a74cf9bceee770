import { RecentMap } from "../base/recent-map.ts";
import { type Target, targetKey, targetName } from "../base/target.ts";
import { EiderError, messageOf } from "../errors.ts";
import type { Clock } from "../flush/clock.ts";
import type { LakeInfo } from "../lake/info.ts";
import type { Maintenance, MaintenanceControl } from "../lake/maintenance.ts";
import type { Log } from "../lake/types.ts";
import { lakeChores, type Policy, TABLE_CHORES, type TableState } from "./chores.ts";
import { TaskList } from "./task-list.ts";

export type TaskResult = "done" | "nothing" | "conflict" | "cancelled" | "failed";

export interface HousekeepingObserver {
  ended(kind: Maintenance["kind"], result: TaskResult, durationMs: number): void;
}

export interface HousekeeperOptions {
  readonly lake: {
    info(): Promise<LakeInfo>;
    maintain(work: Maintenance, control: MaintenanceControl): Promise<number>;
  };
  /** Whether a flush of the table is under way or due: it goes first. */
  readonly isFlushing: (target: Target) => boolean;
  readonly policy: Policy;
  readonly intervalMs: number;
  /** How often the chores of the whole lake are done. */
  readonly lakeIntervalMs: number;
  readonly concurrency: number;
  readonly observer: HousekeepingObserver;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Keeps the lake's files few and large: looks at all tables every `intervalMs` and does what is due, a few tables at a
 * time, one chore for each. A table that is being flushed waits for the next round; a conflict with a writer leaves the
 * chore undone, and it comes again.
 */
export class Housekeeper implements AsyncDisposable {
  readonly tasks: TaskList;
  readonly #options: HousekeeperOptions;
  readonly #deletingFlushes = new Map<string, number>();
  /** The files of a table, by chore and table, on which the chore last found nothing to do. */
  readonly #vain = new RecentMap<string, string>(4096);
  /** What waits or runs since an earlier look. */
  readonly #busy = new Map<string, Promise<unknown>>();
  #longestFlushMs = 0;
  #lakeChoresAtMs = 0;
  #cancelTimer: () => void = () => {};
  #looking: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: HousekeeperOptions) {
    this.#options = options;
    this.tasks = new TaskList(options.concurrency);
    this.#lakeChoresAtMs = options.clock.nowMs();
  }

  start(): void {
    const { clock, intervalMs } = this.#options;
    // Nodes that look at the same time would do the same, and all but one in vain.
    this.#cancelTimer = clock.after(intervalMs * (0.75 + Math.random() / 2), () => {
      // The next look does not wait for the work: one slow task must not hold up all tables.
      this.#looking = this.#look().finally(() => {
        if (!this.#isStopped) this.start();
      });
    });
  }

  /** Told of each flush that is in the lake. */
  flushed(target: Target, rowsDeleted: number, durationMs: number): void {
    this.#longestFlushMs = Math.max(this.#longestFlushMs, durationMs);
    if (rowsDeleted === 0) return;
    const key = targetKey(target);
    this.#deletingFlushes.set(key, (this.#deletingFlushes.get(key) ?? 0) + 1);
  }

  /** One look at everything; resolves when what was due is done. Never rejects. */
  async round(): Promise<void> {
    await this.#look();
    await Promise.all(this.#busy.values());
  }

  async #look(): Promise<void> {
    const { lake, policy, isFlushing, clock, lakeIntervalMs, log } = this.#options;
    let info: LakeInfo;
    try {
      info = await lake.info();
    } catch (error) {
      log.warn({ error: messageOf(error) }, "housekeeping could not look at the lake");
      return;
    }
    // Asked for before the end, answered after it: nobody would wait for this work.
    if (this.#isStopped) return;
    const isLakeRound = clock.nowMs() - this.#lakeChoresAtMs >= lakeIntervalMs;
    for (const table of info.tables) {
      if (!table.isCompacted || isFlushing(table.target)) continue;
      const state = { ...table, deletingFlushes: this.#deletingFlushes.get(targetKey(table.target)) ?? 0 };
      const key = targetKey(table.target);
      this.#once(key, () => this.#keepTable(state));
      if (isLakeRound && table.wasInlined)
        this.#once(`inlined ${key}`, () => this.#add({ kind: "flush_inlined", target: table.target }, table.target, 1));
    }
    if (isLakeRound) {
      this.#lakeChoresAtMs = clock.nowMs();
      for (const chore of lakeChores(policy, this.#longestFlushMs / 1000)) {
        this.#once(chore.kind, () => this.#add(chore, undefined, 0));
      }
    }
  }

  #once(key: string, work: () => Promise<unknown>): void {
    if (this.#busy.has(key)) return;
    this.#busy.set(
      key,
      work().finally(() => this.#busy.delete(key)),
    );
  }

  /**
   * The table's first chore that finds something to do: one that is due by numbers alone, as a rewrite whose files have
   * few deletions each, must not keep the others away. What found nothing waits until the table's files have changed.
   */
  async #keepTable(table: TableState): Promise<void> {
    const { dataFiles, dataBytes, deleteFiles, rewriteDeleteRatio, target } = table;
    const files = [dataFiles, dataBytes, deleteFiles, rewriteDeleteRatio].join("/");
    for (const { due, priority } of TABLE_CHORES) {
      const chore = due(table, this.#options.policy);
      if (!chore) continue;
      const key = `${chore.kind} ${targetKey(target)}`;
      if (this.#vain.get(key) === files) continue;
      if ((await this.#add(chore, target, priority)) !== "nothing") return;
      this.#vain.set(key, files);
    }
  }

  /** Resolves to how it ended; "cancelled" also when it did not come to its turn. */
  async #add(chore: Maintenance, target: Target | undefined, priority: number): Promise<TaskResult> {
    const { lake, observer, log, isFlushing } = this.#options;
    let result: TaskResult = "cancelled";
    await this.tasks.add({ kind: chore.kind, target, priority }, async (control) => {
      // It may have waited long.
      if (target && isFlushing(target)) return;
      const started = performance.now();
      const table = target && targetName(target);
      result = "nothing";
      try {
        const done = await lake.maintain(chore, control);
        if (done > 0) result = "done";
        if (target && chore.kind === "rewrite") this.#deletingFlushes.delete(targetKey(target));
        if (done > 0) log.info({ task: chore.kind, table, count: done }, "housekeeping");
      } catch (error) {
        result = resultOf(error);
        const fields = { task: chore.kind, table, error: messageOf(error) };
        if (result === "failed") log.warn(fields, "a housekeeping task failed; it is tried again");
        else log.info(fields, "a housekeeping task gave way; it is tried again");
      } finally {
        observer.ended(chore.kind, result, performance.now() - started);
      }
    });
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    this.#cancelTimer();
    await this.tasks[Symbol.asyncDispose]();
    await this.#looking;
    await Promise.all(this.#busy.values());
  }
}

function resultOf(error: unknown): TaskResult {
  if (!(error instanceof EiderError)) return "failed";
  if (error.code === "write_conflict") return "conflict";
  return error.code === "cancelled" ? "cancelled" : "failed";
}
