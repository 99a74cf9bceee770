import type { Failpoints } from "../base/failpoints.ts";
import { targetKey, targetName } from "../base/target.ts";
import type { ConflictClass } from "../duck/conflicts.ts";
import type { Connection, Database } from "../duck/database.ts";
import { fromDuckError, isFatal } from "../duck/errors.ts";
import { LAKE, STATE_SCHEMA } from "../duck/sql.ts";
import { EiderError, messageOf } from "../errors.ts";
import { type AttachedPart, AttachedParts } from "./attached-parts.ts";
import type { Deletions } from "./deletions.ts";
import type { Fences } from "./fence.ts";
import type { FileAdoption } from "./file-adoption.ts";
import { auditText, markOf, tableIsMissing, unflushed } from "./flush-parts.ts";
import { flushStatements } from "./flush-sql.ts";
import type { GuardEntry, Guards } from "./guard.ts";
import { deleteByKey } from "./key-deletion.ts";
import { startOpenLimit } from "./open-limit.ts";
import { blame, blocksAll, PartFailure } from "./part-failure.ts";
import type { Retries } from "./retries.ts";
import type { Settlement } from "./settlement.ts";
import type { TableDescriptions } from "./table-descriptions.ts";
import type { TableDetail } from "./table-detail.ts";
import type { CommitPhase, CommitResult, FlushFailure, FlushOutcome, FlushPart, Log } from "./types.ts";
import { commitVerdict } from "./verdict.ts";
import type { Watermarks } from "./watermark.ts";

/** What a flush needs of the lake; functions where reopening the instance changes the answer. */
export interface CommitServices {
  readonly database: () => Database;
  readonly connect: () => Promise<Connection>;
  /**
   * After an error that may mean that the lake instance is dead: opens it anew if it is, resolves to true then, and all that
   * was attached to it is gone.
   */
  readonly reopen: (error: unknown) => Promise<boolean>;
  readonly descriptions: TableDescriptions;
  readonly watermarks: Watermarks;
  readonly fences: Fences;
  readonly deletions: Deletions;
  readonly guards: Guards;
  readonly settlement: Settlement;
  readonly adoption: FileAdoption;
  readonly retries: Retries;
  /** See `Definitions.runInFlush`. */
  readonly define: <T>(work: () => Promise<T>) => Promise<T>;
  readonly writerId: string;
  readonly failpoints: Failpoints;
  readonly log: Log;
}

/** What the end of a transaction, by COMMIT or without, must know of its writes. */
interface Traces {
  /** Files that were given to the lake as they are. */
  readonly adopted: string[];
  /** Names of tables, and of their schemas, from which rows only went: see `Deletions.commit`. */
  readonly deleting: Set<string>;
}

/**
 * One flush: all parts in one transaction, made again while other committers make it void, and in smaller groups when a
 * part spoils it. Exactly once rests on this order: the watermark is read in the transaction that writes, moved in that
 * same transaction, and asked again on a fresh connection whenever COMMIT did not answer. Never two at a time.
 */
export class FlushRun {
  readonly #services: CommitServices;
  readonly #outcomes = new Map<string, FlushOutcome>();
  readonly #failures: FlushFailure[] = [];
  readonly #phasesMs: Record<CommitPhase, number> = { write: 0, guard: 0, commit: 0, harden: 0 };
  #connection: Connection;
  #wasInDoubt = false;
  readonly #conflicts: ConflictClass[] = [];
  #isInstanceLost = false;

  private constructor(services: CommitServices, connection: Connection) {
    this.#services = services;
    this.#connection = connection;
  }

  /** Never rejects for what the lake or a part does: that is a failure of the parts. */
  static async run(services: CommitServices, parts: readonly FlushPart[]): Promise<CommitResult> {
    const run = new FlushRun(services, await services.connect());
    try {
      await run.#run(parts);
    } finally {
      run.#connection.close();
    }
    return {
      outcomes: parts.flatMap((part) => run.#outcomes.get(targetKey(part.target)) ?? []),
      failures: run.#failures,
      phasesMs: run.#phasesMs,
      wasInDoubt: run.#wasInDoubt,
      conflicts: run.#conflicts,
    };
  }

  async #run(parts: readonly FlushPart[]): Promise<void> {
    const attached = await this.#timed("write", () => AttachedParts.open(this.#services.database(), parts));
    try {
      for (const { part, error } of attached.failures) this.#fail(part, error);
      const fatal = attached.failures.find(({ error }) => isFatal(error));
      if (fatal) await this.#reopen(fatal.error);
      await this.#commitTogether(attached.parts);
    } finally {
      await this.#connection.rollback();
      // Files of an instance that was closed went with it.
      if (!this.#isInstanceLost) await attached.close(this.#services.log);
    }
  }

  async #commitTogether(parts: readonly AttachedPart[]): Promise<void> {
    let remaining = parts;
    while (remaining.length > 0) {
      try {
        const group = remaining;
        await this.#services.retries.run("flush", () => this.#attempt(group), {
          onConflict: (kind) => this.#conflicts.push(kind),
        });
        return;
      } catch (error) {
        if (error instanceof PartFailure) {
          this.#fail(error.part, error.error);
          remaining = remaining.filter(({ part }) => part !== error.part);
          continue;
        }
        const failure = fromDuckError(error);
        if (isFatal(failure)) await this.#reopen(failure);
        if (remaining.length === 1 || this.#isInstanceLost || blocksAll(failure)) {
          for (const { part } of remaining) this.#fail(part, failure);
          return;
        }
        for (const part of remaining) await this.#commitTogether([part]);
        return;
      }
    }
  }

  #fail(part: FlushPart, error: EiderError): void {
    this.#failures.push({ target: part.target, error });
  }

  /** One transaction. Throws `write_conflict` when it is certain that nothing was committed and trying again can help. */
  async #attempt(parts: readonly AttachedPart[]): Promise<void> {
    const { watermarks, settlement, guards, failpoints } = this.#services;
    const outcomes: FlushOutcome[] = [];
    const traces: Traces = { adopted: [], deleting: new Set() };
    let entry: GuardEntry | undefined;
    let live: AttachedPart[] = [];
    if (this.#isInstanceLost) {
      throw new EiderError("lake_unavailable", "the lake's DuckDB instance was opened anew; the flush is made again");
    }
    failpoints.hit("commit.before_begin");
    try {
      const { folders, before, uuids } = await this.#timed("write", () => this.#prepare(parts));
      const throwIfTooOld = startOpenLimit();
      await this.#connection.run("BEGIN");
      await this.#timed("write", async () => {
        // This reading fixes the transaction's snapshot; the tables are described after it, so that a change which the
        // description misses is a conflict at COMMIT.
        const marks = await watermarks.read(this.#connection);
        live = parts.flatMap((part) => unflushed(part, marks.get(targetKey(part.part.target)) ?? 0));
        for (const part of live) outcomes.push(await this.#write(part, uuids, traces));
        await watermarks.advance(this.#connection, live.map(markOf));
      });
      if (live.length > 0) {
        await this.#describeCommit(live);
        failpoints.hit("commit.before_guard");
        entry = await this.#timed("guard", () => guards.protect(folders, before, live.map(markOf)));
        failpoints.hit("commit.after_guard");
        throwIfTooOld();
      }
      failpoints.hit("commit.before_commit");
    } catch (error) {
      await this.#connection.rollback();
      await settlement.discard(entry);
      await this.#services.adoption.forget(traces.adopted);
      throw error;
    }
    if (live.length === 0) await this.#connection.rollback();
    else await this.#commit(live, entry, traces);
    this.#services.adoption.files += traces.adopted.length;
    const written = new Map(outcomes.map((outcome) => [targetKey(outcome.target), outcome]));
    for (const { part } of parts) {
      const key = targetKey(part.target);
      const committedBefore = { rowsInserted: 0, rowsDeleted: 0, alreadyCommitted: true, target: part.target };
      this.#outcomes.set(key, written.get(key) ?? committedBefore);
    }
  }

  /** Everything that must be there before BEGIN: settled older flushes, state rows, and the list of files. */
  async #prepare(parts: readonly AttachedPart[]) {
    const { watermarks, fences, settlement, descriptions, guards } = this.#services;
    if (settlement.hasPending) {
      const marks = await watermarks.read(this.#connection);
      await settlement.settle(this.#connection, marks);
    }
    await watermarks.insertMissing(
      this.#connection,
      parts.map(({ part }) => part.target),
    );
    const details = await Promise.all(parts.map(({ part }) => this.#detail(part)));
    const stateTables = [watermarks.name];
    for (const detail of details) {
      if (!detail || detail.shape.primaryKey.length === 0 || !fences.isNeeded(detail.uuid)) continue;
      if (!fences.has(detail.uuid)) await this.#makeFence(detail.uuid);
      stateTables.push(fences.name(detail.uuid));
    }
    // State rows become files too once someone has flushed the lake's inlined data.
    const state = await Promise.all(stateTables.map((table) => descriptions.detail({ schema: STATE_SCHEMA, table })));
    const folders = [...details, ...state].flatMap((detail) => (detail ? [detail.folder] : []));
    const before = await guards.list(folders);
    return { folders, before, uuids: new Set(details.flatMap((detail) => detail?.uuid ?? [])) };
  }

  async #detail(part: FlushPart): Promise<TableDetail | undefined> {
    try {
      return await this.#services.descriptions.follow(part.target, part.segments[0]?.tableId);
    } catch (error) {
      throw blame(part, error);
    }
  }

  async #write(
    { part, segments, winners }: AttachedPart,
    uuids: ReadonlySet<string>,
    { adopted, deleting }: Traces,
  ): Promise<FlushOutcome> {
    const detail = await this.#detail(part);
    if (detail && !uuids.has(detail.uuid)) {
      throw new EiderError(
        "write_conflict",
        `table ${targetName(part.target)} was replaced while it was being flushed`,
      );
    }
    const connection = this.#connection;
    try {
      if (!detail) throw tableIsMissing(part);
      const { shape } = detail;
      const { adoption, failpoints } = this.#services;
      const whole = await adoption.adoptable(connection, detail, segments);
      const others = segments.filter((segment) => !whole.includes(segment));
      const { deletion, insertSqls } = flushStatements(shape, others, winners);
      const rowsDeleted = deletion === undefined ? 0 : await deleteByKey(connection, deletion);
      let rowsInserted = 0;
      for (const { segment } of whole) rowsInserted += await adoption.adopt(connection, detail, segment, adopted);
      if (whole.length > 0) failpoints.hit("commit.after_adoption");
      for (const sql of insertSqls) rowsInserted += await connection.run(sql);
      if (rowsDeleted > 0 && rowsInserted === 0) {
        for (const name of [shape.target.schema, shape.target.table]) deleting.add(name.toLowerCase());
      }
      if (shape.primaryKey.length > 0 && this.#services.fences.isNeeded(detail.uuid)) {
        await this.#services.fences.touch(connection, detail.uuid);
      }
      return { rowsInserted, rowsDeleted, alreadyCommitted: false, target: part.target };
    } catch (error) {
      if (detail && fromDuckError(error).code === "table_not_found") {
        // Described just now, and not in the transaction's snapshot: another node has renamed or made it meanwhile.
        const text = `table ${targetName(detail.shape.target)} was changed while it was being flushed`;
        throw new EiderError("write_conflict", text, { cause: error });
      }
      throw blame(part, error);
    }
  }

  /** The audit trail; the watermark, not this, decides what was committed. */
  async #describeCommit(live: readonly AttachedPart[]): Promise<void> {
    await this.#connection.run(`CALL ${LAKE}.set_commit_message($1, $2, extra_info => $3)`, [
      `eider/${this.#services.writerId}`,
      "flush",
      auditText(live),
    ]);
  }

  async #commit(
    live: readonly AttachedPart[],
    entry: GuardEntry | undefined,
    { adopted, deleting }: Traces,
  ): Promise<void> {
    const { failpoints, settlement, adoption, deletions, log } = this.#services;
    const commit = async () => void (await this.#connection.run("COMMIT"));
    let isAnswered = true;
    try {
      await this.#timed("commit", () => deletions.commit(this.#connection, deleting, commit));
      failpoints.hit("commit.after_commit");
    } catch (error) {
      const verdict = commitVerdict(error);
      if (verdict === "retry") {
        await this.#connection.rollback();
        await settlement.discard(entry);
        await adoption.forget(adopted);
        throw new EiderError("write_conflict", messageOf(error), { cause: error });
      }
      isAnswered = false;
      if (verdict === "in_doubt") await this.#resolveDoubt(live, entry, fromDuckError(error));
      else
        log.warn({ error: messageOf(error) }, "the flush is committed, but the catalog's checkpoint after it failed");
    }
    try {
      await this.#timed("harden", () => settlement.harden(this.#connection, entry, isAnswered));
    } catch (error) {
      settlement.keep(entry);
      throw error;
    }
  }

  async #makeFence(tableUuid: string): Promise<void> {
    const { define, retries, fences } = this.#services;
    await define(() => retries.run("ensure", () => fences.ensure(this.#connection, tableUuid)));
  }

  /** Returns when the watermark, on a fresh connection, shows that the COMMIT took effect; throws otherwise. */
  async #resolveDoubt(live: readonly AttachedPart[], entry: GuardEntry | undefined, error: EiderError): Promise<void> {
    const { watermarks, settlement, log } = this.#services;
    this.#wasInDoubt = true;
    log.warn({ error: error.message, flush: entry?.flushId }, "the answer to a COMMIT was lost; asking the watermark");
    let marks: ReadonlyMap<string, number>;
    try {
      // On a dead instance neither ROLLBACK nor closing the connection is possible.
      await this.#reopen(error);
      marks = await watermarks.read(this.#connection);
    } catch (cause) {
      settlement.keep(entry);
      throw new EiderError(
        "lake_unavailable",
        `a COMMIT is in doubt (${error.message}) and the catalog cannot be asked: ${messageOf(cause)}; it is asked again later`,
        { cause },
      );
    }
    if (live.map(markOf).every(({ target, lastSeq }) => (marks.get(targetKey(target)) ?? 0) >= lastSeq)) return;
    settlement.keep(entry);
    await settlement.notCommitted(entry);
    throw new EiderError("write_conflict", `COMMIT failed, and nothing was committed: ${error.message}`, {
      cause: error,
    });
  }

  /** A fresh connection, to an instance that is opened anew if it is dead. */
  async #reopen(error: EiderError): Promise<void> {
    if (await this.#services.reopen(error)) {
      this.#isInstanceLost = true;
      this.#services.log.error({ error: error.message }, "the lake's DuckDB instance was opened anew");
    } else {
      await this.#connection.rollback();
    }
    this.#connection.close();
    this.#connection = await this.#services.connect();
  }

  async #timed<T>(phase: CommitPhase, work: () => Promise<T>): Promise<T> {
    const started = performance.now();
    try {
      return await work();
    } finally {
      this.#phasesMs[phase] += performance.now() - started;
    }
  }
}
