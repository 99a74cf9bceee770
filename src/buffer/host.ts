import { mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import PQueue from "p-queue";
import { Failpoints } from "../base/failpoints.ts";
import { syncPath } from "../base/sync-path.ts";
import { type Target, targetKey, targetName } from "../base/target.ts";
import { fromDuckError } from "../duck/errors.ts";
import { EiderError } from "../errors.ts";
import { ensureFolder, folderName, isTargetFolder, removeDatabase, STAGING, workerOf } from "./buffer-folder.ts";
import { compact } from "./compaction.ts";
import { IdleInstances } from "./idle-instances.ts";
import { MemoryShare } from "./memory-share.ts";
import type { CallKind, Calls, PlainError, Request, Update, WorkerSettings } from "./messages.ts";
import { Outbox } from "./outbox.ts";
import { ParquetSlots } from "./parquet-slots.ts";
import { Quarantine } from "./quarantine.ts";
import { recoverFolder } from "./recovery.ts";
import { RowLayout } from "./row-layout.ts";
import { compactionPath } from "./segment.ts";
import { Stage } from "./stage.ts";
import type { StagedFileSettings } from "./staged-file.ts";
import { StreamSchema } from "./stream-schema.ts";
import { TableBuffer } from "./table-buffer.ts";
import { tokenCutoffMs } from "./token-clock.ts";
import type { AppendResult, Compaction, SealedSegment } from "./types.ts";
import { Activity } from "./work-queue.ts";
import { PendingUnit } from "./write-unit.ts";

/** A staged file takes a whole stream in one transaction, and there are few of them: four times an open segment's memory. */
const STAGED_MEMORY_FACTOR = 4;

/** One that goes to Parquet files has this part of a compaction's memory. */
const PARQUET_MEMORY_PART = 2;

interface Stream {
  readonly target: Target;
  readonly schema: StreamSchema;
}

type Handlers = { [K in CallKind]: (args: Calls[K]["args"]) => Promise<Calls[K]["result"]> };

/** All that one worker holds: its targets' buffers, and the streams and stages of clients. */
export class BufferHost {
  readonly #settings: WorkerSettings;
  readonly #failpoints: Failpoints;
  readonly #instances = new IdleInstances();
  readonly #share: MemoryShare;
  readonly #largeSeals: PQueue;
  readonly #parquetSlots: ParquetSlots;
  readonly #activity = new Activity();
  readonly #outbox: Outbox;
  readonly #quarantine: Quarantine;
  readonly #buffers = new Map<string, TableBuffer>();
  readonly #ensuring = new Map<string, Promise<void>>();
  readonly #streams = new Map<number, Stream>();
  readonly #stages = new Map<number, Stage>();
  readonly #stagingFolder: string;

  constructor(settings: WorkerSettings, post: (update: Update) => void) {
    this.#settings = settings;
    this.#failpoints = new Failpoints(settings.failpoints);
    const { bufferMemoryMb, workers, maxParallelFlushes } = settings;
    this.#share = new MemoryShare(bufferMemoryMb, workers, () => {
      for (const buffer of this.#buffers.values()) buffer.fitShare();
    });
    const largeAtATime = Math.ceil(maxParallelFlushes / workers);
    this.#largeSeals = new PQueue({ concurrency: largeAtATime });
    this.#parquetSlots = new ParquetSlots(largeAtATime);
    this.#stagingFolder = join(settings.bufferDir, STAGING, String(settings.index));
    this.#outbox = new Outbox(post, () => this.#stagedBytes());
    this.#quarantine = new Quarantine(settings.bufferDir, this.#outbox.log, (report) =>
      this.#outbox.quarantined(report),
    );
  }

  /** Recovers this worker's folders. False when one cannot be read for a reason of the machine's: the update says which. */
  async start(): Promise<boolean> {
    try {
      await this.#recover();
      return true;
    } catch (error) {
      this.#outbox.failed(plainError(error));
      return false;
    }
  }

  async #recover(): Promise<void> {
    const { bufferDir, index, workers, flushMemoryMb, known } = this.#settings;
    await rm(this.#stagingFolder, { recursive: true, force: true });
    await mkdir(this.#stagingFolder, { recursive: true });
    for (const name of await readdir(bufferDir)) {
      if (!isTargetFolder(name) || workerOf(name, workers) !== index) continue;
      const found = await recoverFolder(join(bufferDir, name), {
        memoryMb: flushMemoryMb,
        segment: this.#segmentSettings(),
        quarantine: this.#quarantine,
        cutoffMs: tokenCutoffMs(this.#settings.tokenRetentionSeconds),
        known: new Set(known),
      });
      if (!found || found.segments.length === 0) continue;
      const buffer = this.#addBuffer(found.target);
      for (const each of found.segments) buffer.restore(each.id, each.lastSeq, each.tokens, each.segment);
      // What cannot be checkpointed yet is reported later; the rows are durable.
      await buffer.seals.drained().catch(() => {});
      this.#outbox.changed(buffer);
    }
    this.#outbox.ready();
  }

  handle(request: Request): void {
    const handler = this.#handlers[request.kind] as (args: unknown) => Promise<unknown>;
    handler(request.args).then(
      (result) => this.#outbox.reply({ id: request.id, result }),
      (error) => this.#outbox.reply({ id: request.id, error: plainError(error) }),
    );
  }

  readonly #handlers: Handlers = {
    ensure: async ({ shape, watermark }) => {
      const key = targetKey(shape.target);
      const buffer = this.#buffers.get(key) ?? this.#addBuffer(shape.target);
      const ensured = buffer.ensure(new RowLayout(shape), watermark);
      this.#ensuring.set(key, ensured);
      await ensured;
      this.#outbox.changed(buffer);
      return undefined;
    },
    // At once: its first batch is right behind it.
    openStream: async ({ stream, target, schema }) => {
      this.#streams.set(stream, { target, schema: new StreamSchema(schema, "null") });
      return undefined;
    },
    // Not async: batches of a stream must be decoded and queued in the order of their messages.
    append: ({ stream, message, options }) => {
      try {
        return this.#append(stream, message, options);
      } catch (error) {
        return Promise.reject(error);
      }
    },
    closeStream: async ({ stream }) => {
      this.#streams.delete(stream);
      return undefined;
    },
    openStage: async ({ stage, target, shape, schema }) => {
      const settings = {
        file: this.#stagedFileSettings(),
        stagingFolder: this.#stagingFolder,
        segmentFolder: (of: Target) => ensureFolder(this.#settings.bufferDir, of),
      };
      this.#stages.set(stage, new Stage(target, shape, schema, settings));
      return undefined;
    },
    writeStage: async ({ stage, message }) => {
      await this.#stage(stage).write(message);
      return undefined;
    },
    publishWhole: async ({ target, schema, messages, options }) => {
      const buffer = await this.#ensured(target);
      const stream = new StreamSchema(schema, "default");
      const batches = messages.map((message) => stream.decode(message)).filter((batch) => batch !== undefined);
      return buffer.append(new PendingUnit(batches, options, (layout) => stream.planFor(layout)));
    },
    settleStage: async ({ stage }) => {
      await this.#stage(stage).settle();
      return undefined;
    },
    publishStage: async ({ stage, options }) => {
      const staged = this.#stage(stage);
      return staged.publish(await this.#ensured(staged.target), options);
    },
    stageToFile: ({ stage }) => this.#stage(stage).toFile(),
    discardStage: async ({ stage }) => {
      const staged = this.#stages.get(stage);
      this.#stages.delete(stage);
      await staged?.discard();
      return undefined;
    },
    seal: async ({ target, reason }) => this.#buffers.get(targetKey(target))?.seal(reason),
    compact: (args) => this.#compact(args.segments),
    remove: async ({ segments, compaction }) => {
      await this.#remove(segments, compaction);
      return undefined;
    },
    setDamagedAside: async ({ segments, lasting }) => {
      const [first] = segments;
      return first ? this.#ensured(first.target).then((buffer) => buffer.setDamagedAside(segments, lasting)) : 0;
    },
    clear: async ({ target }) => {
      const key = targetKey(target);
      const buffer = this.#buffers.get(key);
      this.#buffers.delete(key);
      await buffer?.clear();
      await rm(join(this.#settings.bufferDir, folderName(target)), { recursive: true, force: true });
      return undefined;
    },
    usage: async () => {
      const each = await Promise.all([...this.#buffers.values()].map((buffer) => buffer.usage()));
      const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
      return { memoryBytes: sum(each.map((one) => one.memoryBytes)), tempBytes: sum(each.map((one) => one.tempBytes)) };
    },
    close: async () => {
      await Promise.all([...this.#stages.values()].map((stage) => stage.discard()));
      await Promise.all([...this.#buffers.values()].map((buffer) => buffer.close()));
      await this.#instances[Symbol.asyncDispose]();
      return undefined;
    },
  };

  #append(id: number, message: Calls["append"]["args"]["message"], options: Calls["append"]["args"]["options"]) {
    const stream = this.#streams.get(id);
    if (!stream) throw new EiderError("buffer_unavailable", "the stream is not open here any more; open it again");
    const buffer = this.#buffers.get(targetKey(stream.target));
    if (!buffer) {
      throw new EiderError(
        "table_not_found",
        `the buffer of table ${targetName(stream.target)} was cleared; open the stream again`,
      );
    }
    const batch = stream.schema.decode(message);
    if (batch === undefined) return Promise.resolve<AppendResult | undefined>(undefined);
    return buffer.append(new PendingUnit([batch], options, (layout) => stream.schema.planFor(layout)));
  }

  async #compact(segments: readonly SealedSegment[]): Promise<Compaction> {
    const [first] = segments;
    if (!first) return { path: undefined, rowsIn: 0, rowsOut: 0 };
    this.#failpoints.hit("compact.before");
    const path = compactionPath(dirname(first.path));
    try {
      const result = await compact(segments, path, this.#settings.flushMemoryMb);
      this.#failpoints.hit("compact.after");
      return result;
    } catch (error) {
      await removeDatabase(path);
      throw error;
    }
  }

  async #remove(segments: readonly SealedSegment[], compaction: Compaction | undefined): Promise<void> {
    this.#failpoints.hit("remove.before");
    const [first] = segments;
    if (first) await this.#buffers.get(targetKey(first.target))?.keepTokens(segments);
    for (const segment of segments) await removeDatabase(segment.path);
    if (compaction?.path !== undefined) await removeDatabase(compaction.path);
    if (first) await syncPath(dirname(first.path));
    this.#failpoints.hit("remove.after");
  }

  #stage(id: number): Stage {
    const stage = this.#stages.get(id);
    if (!stage)
      throw new EiderError("buffer_unavailable", "the staged stream is not open here any more; send it again");
    return stage;
  }

  async #ensured(target: Target | undefined): Promise<TableBuffer> {
    const key = target && targetKey(target);
    if (key !== undefined) await this.#ensuring.get(key);
    const buffer = key === undefined ? undefined : this.#buffers.get(key);
    if (buffer) return buffer;
    if (!target) throw new EiderError("internal", "ensureBuffer was not called for the stage");
    throw new EiderError(
      "table_not_found",
      `the buffer of table ${targetName(target)} was cleared; send the rows again`,
    );
  }

  #addBuffer(target: Target): TableBuffer {
    const buffer = new TableBuffer(target, {
      bufferDir: this.#settings.bufferDir,
      folder: join(this.#settings.bufferDir, folderName(target)),
      segment: this.#segmentSettings(),
      maxRows: this.#settings.bufferMaxRows,
      maxBytes: this.#settings.bufferMaxBytes,
      tokenRetentionSeconds: this.#settings.tokenRetentionSeconds,
      activity: this.#activity,
      quarantine: this.#quarantine,
      largeSeals: this.#largeSeals,
      log: this.#outbox.log,
      onSealed: (segment) => this.#outbox.sealed(segment),
      onChange: (changed) => this.#outbox.changed(changed),
    });
    this.#buffers.set(targetKey(target), buffer);
    return buffer;
  }

  #segmentSettings() {
    return {
      share: this.#share,
      largeMemoryMb: this.#settings.flushMemoryMb,
      instances: this.#instances,
      failpoints: this.#failpoints,
    };
  }

  #stagedFileSettings(): StagedFileSettings {
    const { bufferMemoryMb, flushMemoryMb, parquetFromBytes } = this.#settings;
    const parquet = { memoryMb: flushMemoryMb / PARQUET_MEMORY_PART, slots: this.#parquetSlots };
    return {
      instances: this.#instances,
      memoryMb: bufferMemoryMb * STAGED_MEMORY_FACTOR,
      parquet: parquetFromBytes === undefined ? undefined : { ...parquet, fromBytes: parquetFromBytes },
      failpoints: this.#failpoints,
    };
  }

  #stagedBytes(): number {
    let bytes = 0;
    for (const stage of this.#stages.values()) bytes += stage.diskBytes;
    return bytes;
  }
}

function plainError(error: unknown): PlainError {
  const { code, message } = fromDuckError(error);
  return { code, message };
}
