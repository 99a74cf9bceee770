import type PQueue from "p-queue";
import { must } from "../base/assert.ts";
import { type Target, targetName } from "../base/target.ts";
import { EiderError } from "../errors.ts";
import { ensureFolder } from "./buffer-folder.ts";
import { findDamage } from "./damage.ts";
import type { Log } from "./log.ts";
import type { BufferNumbers } from "./messages.ts";
import type { Quarantine } from "./quarantine.ts";
import type { RowLayout } from "./row-layout.ts";
import { SealQueue } from "./seal-queue.ts";
import { Segment } from "./segment.ts";
import { type ChainSettings, SegmentChain } from "./segment-chain.ts";
import type { TokenRow } from "./segment-file.ts";
import type { StagedFile } from "./staged-file.ts";
import { TokenBook } from "./token-book.ts";
import { tokenNowMs } from "./token-clock.ts";
import type { AppendResult, Op, SealedSegment, SealReason } from "./types.ts";
import { unitError } from "./unit-error.ts";
import { type Activity, type Entry, type Head, WorkQueue } from "./work-queue.ts";
import type { PendingUnit, WriteUnit } from "./write-unit.ts";

/** One transaction takes at most this much: what is in it waits for its COMMIT together. */
const GROUP_LIMIT_BYTES = 16 * 1024 * 1024;

/**
 * A transaction of at most this much is committed in the worker's own thread when no other buffer waits for it: that takes
 * about as long as the fsync, and handing it to another thread and back a quarter of a group's time. Several buffers' fsyncs
 * go side by side, and while a large one is written the next batches are decoded.
 */
const IN_THREAD_LIMIT_BYTES = 256 * 1024;

export interface TableBufferSettings extends ChainSettings {
  readonly bufferDir: string;
  readonly tokenRetentionSeconds: number;
  /** Of the worker's buffers together. */
  readonly activity: Activity;
  readonly quarantine: Quarantine;
  /** See `SealQueueSettings`. */
  readonly largeSeals: PQueue;
  readonly log: Log;
  onSealed(segment: SealedSegment): void;
  onChange(buffer: TableBuffer): void;
}

interface Admitted {
  readonly entry: Entry<PendingUnit, AppendResult>;
  readonly unit: WriteUnit;
}

/**
 * One target's buffer: the queue of batches, the chain of segments that they go to, the queue of seals behind it, and
 * the tokens seen. One thing at a time happens to the open segment: a group commit, or a turn (seal, changed shape,
 * publish, clear) that has it to itself. While a COMMIT runs, batches gather for the next.
 */
export class TableBuffer {
  readonly target: Target;
  readonly seals: SealQueue;
  readonly #settings: TableBufferSettings;
  readonly #chain: SegmentChain;
  readonly #tokens: TokenBook;
  readonly #work: WorkQueue<PendingUnit, AppendResult>;
  /** Sealed segments that hold tokens, by id. */
  readonly #withTokens = new Set<string>();
  #isCleared = false;
  /** Tokens of staged files whose COMMIT runs. */
  readonly #publishing = new Map<string, Promise<boolean>>();

  constructor(target: Target, settings: TableBufferSettings) {
    this.target = target;
    this.#settings = settings;
    this.#tokens = new TokenBook(settings.folder, settings.tokenRetentionSeconds);
    const onChange = () => settings.onChange(this);
    this.seals = new SealQueue((segment, tokens) => {
      this.#tokens.dropExpired();
      if (tokens > 0) this.#withTokens.add(segment.id);
      settings.onSealed(segment);
      onChange();
    }, settings);
    this.#chain = new SegmentChain(settings, this.seals, onChange);
    this.#work = new WorkQueue((head) => this.#commitGroup(head), settings.activity);
  }

  get layout(): RowLayout | undefined {
    return this.#chain.layout;
  }

  /** First use: counts on from the highest seq known. A changed layout seals the open segment. */
  ensure(layout: RowLayout, watermark: number): Promise<void> {
    return this.#work.turn(async () => {
      if (this.layout?.sameAs(layout)) return;
      if (this.layout === undefined) {
        await ensureFolder(this.#settings.bufferDir, this.target);
        await this.#tokens.load();
        this.#chain.noteSeq(Math.max(watermark, this.#tokens.highestSeq));
      }
      await this.#chain.setLayout(layout);
    });
  }

  /** Takes over what a start found on disk; `segment` is undefined for one that is sealed and known already. */
  restore(id: string, lastSeq: number, tokens: readonly TokenRow[], segment: Segment | undefined): void {
    this.#chain.noteSeq(lastSeq);
    for (const row of tokens) this.#tokens.add(row);
    if (segment) this.#chain.push({ segment, reason: "recovery", recovered: true });
    else if (tokens.length > 0) this.#withTokens.add(id);
  }

  /** Has the open segment give back what exceeds its share, when nothing else happens to it. */
  fitShare(): void {
    if (this.#chain.exceedsShare) this.#work.turn(() => this.#chain.fitShare()).catch(() => {});
  }

  append(pending: PendingUnit): Promise<AppendResult> {
    return this.#work.push(pending);
  }

  /** Resolves once every segment but the (empty) open one is sealed and reported; to the id of the one it sealed. */
  async seal(reason: SealReason): Promise<string | undefined> {
    const id = await this.#work.turn(async () => {
      await this.#chain.dropAhead();
      return this.#chain.openRows > 0 ? this.#chain.rotate(reason) : undefined;
    });
    await this.seals.drained();
    return id;
  }

  /**
   * Makes a staged file the next segment. Its seqs are reserved before its COMMIT, so that appends go on meanwhile; a
   * COMMIT that fails leaves a gap.
   */
  async publish(staged: StagedFile, op: Op, token: string | undefined): Promise<AppendResult> {
    const begun = await this.#work.turn(async () => {
      const seen = token === undefined ? undefined : await this.#seen(token);
      return seen ? { seen } : { commit: await this.#beginPublish(staged, op, token), seq: this.#chain.lastSeq };
    });
    if (begun.seen) {
      await staged.discard();
      return duplicateOf(begun.seen);
    }
    try {
      // Wrapped, so that the turn did not wait for it.
      await begun.commit.done;
      return { rows: staged.rows, seq: begun.seq, duplicate: false };
    } finally {
      if (token !== undefined) this.#publishing.delete(token);
      this.#settings.onChange(this);
    }
  }

  /** Before sealed segments' files are removed: their tokens must outlive them. */
  async keepTokens(segments: readonly SealedSegment[]): Promise<void> {
    const kept = segments.filter((segment) => this.#withTokens.has(segment.id));
    await this.#tokens.keep(kept);
    for (const segment of kept) this.#withTokens.delete(segment.id);
  }

  /** See `Buffers.setDamagedAside`. */
  async setDamagedAside(segments: readonly SealedSegment[], lasting: boolean): Promise<number> {
    const { quarantine, segment: settings } = this.#settings;
    let rows = 0;
    for (const segment of segments) {
      const damage = await findDamage(segment, settings.largeMemoryMb, lasting);
      if (damage === undefined) continue;
      // Its table was dropped meanwhile, and its file deleted.
      if (this.#isCleared) return 0;
      await quarantine.move(segment.path, damage);
      this.#tokens.forget(segment);
      this.#withTokens.delete(segment.id);
      rows += segment.rows;
    }
    return rows;
  }

  /** Deletes everything, tokens too (the table they were for is gone or empty); appends that wait are refused. */
  async clear(): Promise<void> {
    this.#isCleared = true;
    const reason = new EiderError("table_not_found", `the buffer of table ${targetName(this.target)} was cleared`);
    await this.#work.close(reason);
    await this.seals.discard();
    await this.#chain.discard();
  }

  /** Finishes what is queued and closes the files as they are. */
  async close(): Promise<void> {
    await this.#work.close();
    await this.seals.close();
    await this.#chain.close();
  }

  get numbers(): BufferNumbers {
    const numbers = this.#chain.numbers();
    return { target: this.target, ...numbers, diskBytes: numbers.diskBytes + this.#tokens.diskBytes };
  }

  usage(): Promise<{ memoryBytes: number; tempBytes: number }> {
    return this.#chain.usage();
  }

  async #beginPublish(staged: StagedFile, op: Op, token: string | undefined): Promise<{ done: Promise<void> }> {
    const layout = must(this.layout, "a buffer is ensured before it is written");
    await staged.fitTo(layout);
    this.#chain.rotate("ingest");
    const firstSeq = this.#chain.reserve(staged.rows);
    const { rows } = staged;
    const row =
      token === undefined
        ? undefined
        : { token, tableId: layout.id, rows, seq: firstSeq + rows - 1, atMs: tokenNowMs() };
    const done = staged.commit(firstSeq, op, row);
    const isCommitted = done.then(
      () => {
        if (row) this.#tokens.add(row);
        return true;
      },
      () => false,
    );
    if (token !== undefined) this.#publishing.set(token, isCommitted);
    const segment = new Segment(
      staged.path,
      staged.layout,
      this.#settings.segment,
      staged.stateFrom(firstSeq, op, row ? 1 : 0),
    );
    const isClosed = isCommitted.then((committed) => staged.close().then(() => committed));
    this.#chain.push({ segment, reason: "ingest", recovered: false, isCommitted: isClosed });
    return { done };
  }

  /** Takes waiting batches as far as one transaction and one segment go, and answers each. */
  async #commitGroup(queue: Head<PendingUnit, AppendResult>): Promise<void> {
    const { maxRows, maxBytes } = this.#settings;
    const group: Admitted[] = [];
    const tokens = new Set<string>();
    let [rows, bytes] = [0, 0];
    const isFull = () =>
      bytes >= GROUP_LIMIT_BYTES || this.#chain.openRows + rows >= maxRows || this.#chain.openBytes + bytes >= maxBytes;
    for (let entry = queue.peek(); entry !== undefined; entry = queue.peek()) {
      const { token } = entry.value;
      // A token's second batch waits until it is known how the first one went.
      const isAgain = token !== undefined && (tokens.has(token) || this.#publishing.has(token));
      if (group.length > 0 && (isFull() || isAgain)) break;
      queue.take();
      const seen = token === undefined ? undefined : await this.#seen(token);
      const unit = seen ? undefined : this.#planned(entry);
      if (seen) entry.resolve(duplicateOf(seen));
      if (unit === undefined) continue;
      group.push({ entry, unit });
      if (token !== undefined) tokens.add(token);
      rows += unit.rows;
      bytes += unit.bytes;
    }
    if (group.length > 0) await this.#writeGroup(group, rows, bytes);
  }

  /** Undefined when the batch is answered already: refused, or without anything to store. */
  #planned(entry: Entry<PendingUnit, AppendResult>): WriteUnit | undefined {
    try {
      const unit = entry.value.planFor(must(this.layout, "a buffer is ensured before it is written"));
      if (unit.rows > 0 || unit.token !== undefined) return unit;
      entry.resolve({ rows: 0, seq: this.#chain.lastSeq, duplicate: false });
    } catch (error) {
      entry.reject(error);
    }
    return undefined;
  }

  async #writeGroup(group: readonly Admitted[], rows: number, bytes: number): Promise<void> {
    let open: Segment;
    try {
      open = await this.#chain.open();
    } catch (error) {
      for (const { entry } of group) entry.reject(unitError(error));
      return;
    }
    this.#chain.expect(rows, bytes);
    const inThread = bytes <= IN_THREAD_LIMIT_BYTES && !this.#settings.activity.isShared;
    const outcomes = await open.write(
      group.map(({ unit }) => unit),
      inThread,
    );
    for (const [index, { entry, unit }] of group.entries()) {
      const { stored, error } = outcomes[index] ?? {};
      if (stored && unit.token !== undefined) {
        const { token, rows: count } = unit;
        this.#tokens.add({ token, tableId: unit.plan.layout.id, rows: count, ...stored });
      }
      if (stored && !error) entry.resolve({ rows: unit.rows, seq: stored.seq, duplicate: false });
      else entry.reject(error);
    }
    this.#chain.wrote(open, rows);
  }

  async #seen(token: string): Promise<TokenRow | undefined> {
    await this.#publishing.get(token);
    return this.#tokens.find(token, this.layout?.id);
  }
}

function duplicateOf(row: TokenRow): AppendResult {
  return { rows: row.rows, seq: row.seq, duplicate: true };
}
