import { type Target, targetKey, targetName } from "../base/target.ts";
import { EiderError, messageOf } from "../errors.ts";
import type { Clock } from "../flush/clock.ts";
import type { LakeInfo } from "../lake/info.ts";
import type { Maintenance, MaintenanceControl } from "../lake/maintenance.ts";
import type { Log } from "../lake/types.ts";
import { lakeChores, type Policy, TABLE_CHORES } from "./chores.ts";
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
  #longestFlushMs = 0;
  #lakeChoresAtMs = 0;
  #cancelTimer: () => void = () => {};
  #round: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: HousekeeperOptions) {
    this.#options = options;
    this.tasks = new TaskList(options.concurrency);
    this.#lakeChoresAtMs = options.clock.nowMs();
  }

  start(): void {
    const { clock, intervalMs } = this.#options;
    this.#cancelTimer = clock.after(intervalMs, () => {
      this.#round = this.round().finally(() => {
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
    const { lake, policy, isFlushing, clock, lakeIntervalMs, log } = this.#options;
    let info: LakeInfo;
    try {
      info = await lake.info();
    } catch (error) {
      log.warn({ error: messageOf(error) }, "housekeeping could not look at the lake");
      return;
    }
    const work: Array<Promise<void>> = [];
    const isLakeRound = clock.nowMs() - this.#lakeChoresAtMs >= lakeIntervalMs;
    for (const table of info.tables) {
      if (!table.isCompacted || isFlushing(table.target)) continue;
      const state = { ...table, deletingFlushes: this.#deletingFlushes.get(targetKey(table.target)) ?? 0 };
      for (const { due, priority } of TABLE_CHORES) {
        const chore = due(state, policy);
        if (!chore) continue;
        work.push(this.#add(chore, table.target, priority));
        break;
      }
      if (isLakeRound && table.wasInlined)
        work.push(this.#add({ kind: "flush_inlined", target: table.target }, table.target, 1));
    }
    if (isLakeRound) {
      this.#lakeChoresAtMs = clock.nowMs();
      for (const chore of lakeChores(policy, this.#longestFlushMs / 1000)) work.push(this.#add(chore, undefined, 0));
    }
    await Promise.all(work);
  }

  #add(chore: Maintenance, target: Target | undefined, priority: number): Promise<void> {
    const { lake, observer, log, isFlushing } = this.#options;
    return this.tasks.add({ kind: chore.kind, target, priority }, async (control) => {
      // It may have waited long.
      if (target && isFlushing(target)) return;
      const started = performance.now();
      const table = target && targetName(target);
      let result: TaskResult = "nothing";
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
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    this.#cancelTimer();
    await this.tasks[Symbol.asyncDispose]();
    await this.#round;
  }
}

function resultOf(error: unknown): TaskResult {
  if (!(error instanceof EiderError)) return "failed";
  if (error.code === "write_conflict") return "conflict";
  return error.code === "cancelled" ? "cancelled" : "failed";
}
