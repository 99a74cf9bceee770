import { must } from "../base/assert.ts";
import { type Target, targetName } from "../base/target.ts";
import { EiderError } from "../errors.ts";
import { ensureFolder } from "./buffer-folder.ts";
import type { Log } from "./log.ts";
import type { BufferNumbers } from "./messages.ts";
import type { RowLayout } from "./row-layout.ts";
import { SealQueue } from "./seal-queue.ts";
import { Segment, type SegmentSettings } from "./segment.ts";
import type { TokenRow } from "./segment-file.ts";
import type { StagedFile } from "./staged-file.ts";
import { TokenBook } from "./token-book.ts";
import type { AppendResult, Op, SealedSegment, SealReason } from "./types.ts";
import { unitError } from "./unit-error.ts";
import { type Entry, type Head, WorkQueue } from "./work-queue.ts";
import type { PendingUnit, WriteUnit } from "./write-unit.ts";

/** One transaction takes at most this much: what is in it waits for its COMMIT together. */
const GROUP_LIMIT_BYTES = 16 * 1024 * 1024;

export interface TableBufferSettings {
  readonly bufferDir: string;
  readonly folder: string;
  readonly segment: SegmentSettings;
  readonly maxRows: number;
  readonly maxBytes: number;
  readonly tokenRetentionSeconds: number;
  readonly log: Log;
  onSealed(segment: SealedSegment): void;
  onChange(buffer: TableBuffer): void;
}

interface Admitted {
  readonly entry: Entry<PendingUnit, AppendResult>;
  readonly unit: WriteUnit;
}

/**
 * One target's buffer: the open segment, the queue of batches before it and the queue of seals behind it. One thing at
 * a time happens to the open segment (`#work`): a group commit, or a turn (seal, changed shape, publish, clear) that
 * has it to itself. While a COMMIT runs, batches gather for the next.
 */
export class TableBuffer {
  readonly target: Target;
  readonly tokens: TokenBook;
  readonly seals: SealQueue;
  readonly #settings: TableBufferSettings;
  readonly #work: WorkQueue<PendingUnit, AppendResult>;
  /** Sealed segments that hold tokens, by id. */
  readonly #withTokens = new Set<string>();
  readonly #publishing = new Map<string, Promise<boolean>>();
  #layout: RowLayout | undefined;
  #lastSeq = 0;
  #open: Segment | undefined;
  /** The next segment, made while the open one fills, so that no append waits for it. */
  #ahead: Promise<Segment | undefined> | undefined;

  constructor(target: Target, settings: TableBufferSettings) {
    this.target = target;
    this.#settings = settings;
    this.tokens = new TokenBook(settings.folder, settings.tokenRetentionSeconds);
    this.seals = new SealQueue((segment, tokens) => {
      this.tokens.dropExpired();
      if (tokens > 0) this.#withTokens.add(segment.id);
      settings.onSealed(segment);
      settings.onChange(this);
    }, settings.log);
    this.#work = new WorkQueue((head) => this.#commitGroup(head));
  }

  get layout(): RowLayout | undefined {
    return this.#layout;
  }

  /** First use: counts on from the highest seq known. A changed layout seals the open segment. */
  ensure(layout: RowLayout, watermark: number): Promise<void> {
    return this.#work.turn(async () => {
      this.#lastSeq = Math.max(this.#lastSeq, watermark);
      if (this.#layout?.sameAs(layout)) return;
      if (this.#layout === undefined) {
        await ensureFolder(this.#settings.bufferDir, this.target);
        await this.tokens.load();
        this.#lastSeq = Math.max(this.#lastSeq, this.tokens.highestSeq);
      }
      this.#layout = layout;
      await this.#dropAhead();
      this.#rotate("schema");
    });
  }

  /** Takes over what a start found on disk; `segment` is undefined for one that is sealed and known already. */
  restore(id: string, lastSeq: number, tokens: readonly TokenRow[], segment: Segment | undefined): void {
    this.#lastSeq = Math.max(this.#lastSeq, lastSeq);
    for (const row of tokens) this.tokens.add(row);
    if (segment) this.seals.push({ segment, reason: "recovery", recovered: true });
    else if (tokens.length > 0) this.#withTokens.add(id);
  }

  /** Before sealed segments' files are removed: their tokens must outlive them. */
  async keepTokens(segments: readonly SealedSegment[]): Promise<void> {
    const kept = segments.filter((segment) => this.#withTokens.has(segment.id));
    await this.tokens.keep(kept.map((segment) => segment.path));
    for (const segment of kept) this.#withTokens.delete(segment.id);
  }

  append(pending: PendingUnit): Promise<AppendResult> {
    return this.#work.push(pending);
  }

  /** Resolves once every segment but the (empty) open one is sealed and reported; to the id of the one it sealed. */
  async seal(reason: SealReason): Promise<string | undefined> {
    const id = await this.#work.turn(async () => {
      await this.#dropAhead();
      return this.#open && this.#open.state.rows > 0 ? this.#rotate(reason) : undefined;
    });
    await this.seals.drained();
    return id;
  }

  /**
   * Makes a staged file the next segment. Its seqs are reserved before its COMMIT, so that appends go on meanwhile; a
   * COMMIT that fails leaves a gap.
   */
  async publish(staged: StagedFile, op: Op, token: string | undefined): Promise<AppendResult> {
    const published = await this.#work.turn(async () => {
      const seen = await this.#seen(token);
      if (seen) return { seen };
      await staged.checkFits(this.#mustLayout());
      this.#rotate("ingest");
      const firstSeq = this.#lastSeq + 1;
      this.#lastSeq += staged.rows;
      const row = token === undefined ? undefined : { token, rows: staged.rows, seq: this.#lastSeq, atMs: Date.now() };
      const commit = staged.commit(firstSeq, op, row);
      const isCommitted = commit.then(
        () => {
          if (row) this.tokens.add(row);
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
      this.seals.push({ segment, reason: "ingest", recovered: false, isCommitted: isClosed });
      return { commit, seq: this.#lastSeq };
    });
    if (published.seen) {
      await staged.discard();
      return duplicateOf(published.seen);
    }
    try {
      await published.commit;
      return { rows: staged.rows, seq: published.seq, duplicate: false };
    } finally {
      if (token !== undefined) this.#publishing.delete(token);
      this.#settings.onChange(this);
    }
  }

  /** Deletes everything, tokens too (the table they were for is gone or empty); appends that wait are refused. */
  async clear(): Promise<void> {
    const reason = new EiderError("table_not_found", `the buffer of table ${targetName(this.target)} was cleared`);
    await this.#work.close(reason);
    await this.#dropAhead();
    await this.seals.discard();
    await this.#open?.discard();
    this.#open = undefined;
  }

  /** Finishes what is queued and closes the files as they are. */
  async close(): Promise<void> {
    await this.#work.close();
    await this.seals.close();
    await this.#dropAhead();
    await this.#open?.close();
    this.#open = undefined;
  }

  get numbers(): BufferNumbers {
    const open = this.#open?.state;
    const sealing = this.seals.jobs.map((job) => job.segment.state);
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
    return {
      target: this.target,
      openRows: open?.rows ?? 0,
      openBytes: open?.bytes ?? 0,
      openSinceMs: open?.rows ? open.openedMs : undefined,
      sealingSegments: sealing.length,
      sealingRows: sum(sealing.map((state) => state.rows)),
      sealingBytes: sum(sealing.map((state) => state.bytes)),
      sealingSinceMs: sealing[0]?.openedMs || undefined,
      diskBytes:
        (this.#open?.diskBytes ?? 0) + sum(this.seals.jobs.map((job) => job.segment.diskBytes)) + this.tokens.diskBytes,
      lastSeq: this.#lastSeq,
    };
  }

  async usage(): Promise<{ memoryBytes: number; tempBytes: number }> {
    return (await this.#open?.usage()) ?? { memoryBytes: 0, tempBytes: 0 };
  }

  /** Takes waiting batches as far as one transaction and one segment go, and answers each. */
  async #commitGroup(queue: Head<PendingUnit, AppendResult>): Promise<void> {
    const group: Admitted[] = [];
    const tokens = new Set<string>();
    const held = this.#open?.state;
    let [rows, bytes] = [held?.rows ?? 0, 0];
    for (let entry = queue.peek(); entry !== undefined; entry = queue.peek()) {
      const { token } = entry.value;
      const isFull = rows >= this.#settings.maxRows || bytes >= GROUP_LIMIT_BYTES;
      // A token's second batch waits until it is known how the first one went.
      if (group.length > 0 && (isFull || (token !== undefined && (tokens.has(token) || this.#publishing.has(token)))))
        break;
      queue.take();
      const seen = token === undefined ? undefined : await this.#seen(token);
      const unit = seen ? undefined : planned(entry, this.#mustLayout());
      if (seen) entry.resolve(duplicateOf(seen));
      else if (unit && unit.rows === 0 && token === undefined)
        entry.resolve({ rows: 0, seq: this.#lastSeq, duplicate: false });
      if (!unit || (unit.rows === 0 && token === undefined)) continue;
      group.push({ entry, unit });
      if (token !== undefined) tokens.add(token);
      rows += unit.rows;
      bytes += unit.bytes;
    }
    if (group.length > 0) await this.#writeGroup(group);
  }

  async #writeGroup(group: readonly Admitted[]): Promise<void> {
    let open: Segment;
    try {
      open = await this.#openSegment();
    } catch (error) {
      for (const { entry } of group) entry.reject(unitError(error));
      return;
    }
    const outcomes = await open.write(group.map(({ unit }) => unit));
    this.#lastSeq = open.state.firstSeq + open.state.rows - 1;
    // Seqs of a group in doubt are never given again.
    if (open.isInDoubt) this.#lastSeq += group.reduce((sum, { unit }) => sum + unit.rows, 0);
    for (const [index, outcome] of outcomes.entries()) {
      const { entry, unit } = group[index] as Admitted;
      const { stored, error } = outcome;
      if (stored && unit.token !== undefined) this.tokens.add({ token: unit.token, rows: unit.rows, ...stored });
      if (stored && !error) entry.resolve({ rows: unit.rows, seq: stored.seq, duplicate: false });
      else entry.reject(error);
    }
    this.#rotateWhenFull(open);
    this.#settings.onChange(this);
  }

  #rotateWhenFull(open: Segment): void {
    const { maxRows, maxBytes } = this.#settings;
    const { rows, bytes } = open.state;
    if (rows >= maxRows) this.#rotate("rows");
    else if (bytes >= maxBytes || open.isInDoubt) this.#rotate("bytes");
    else if (rows * 2 >= maxRows || bytes * 2 >= maxBytes) this.#makeAhead();
  }

  #rotate(reason: SealReason): string | undefined {
    const segment = this.#open;
    this.#open = undefined;
    if (segment) this.seals.push({ segment, reason, recovered: false });
    this.#settings.onChange(this);
    return segment?.id;
  }

  async #openSegment(): Promise<Segment> {
    if (this.#open) return this.#open;
    const ahead = this.#ahead;
    this.#ahead = undefined;
    const segment = (await ahead) ?? (await this.#create());
    segment.begin(this.#lastSeq + 1);
    this.#open = segment;
    return segment;
  }

  #create(): Promise<Segment> {
    return Segment.create(this.#settings.folder, this.#mustLayout(), this.#settings.segment);
  }

  #makeAhead(): void {
    // A failure shows when the segment is needed, as the error of the batches that need it.
    this.#ahead ??= this.#create().catch(() => undefined);
  }

  async #dropAhead(): Promise<void> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    await (await ahead)?.discard();
  }

  async #seen(token: string | undefined): Promise<TokenRow | undefined> {
    if (token === undefined) return undefined;
    await this.#publishing.get(token);
    return this.tokens.find(token);
  }

  #mustLayout(): RowLayout {
    return must(this.#layout, "a buffer is ensured before it is written");
  }
}

function planned(entry: Entry<PendingUnit, AppendResult>, layout: RowLayout): WriteUnit | undefined {
  try {
    return entry.value.planFor(layout);
  } catch (error) {
    entry.reject(error);
    return undefined;
  }
}

function duplicateOf(row: TokenRow): AppendResult {
  return { rows: row.rows, seq: row.seq, duplicate: true };
}
