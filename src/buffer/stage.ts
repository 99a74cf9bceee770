import type { RecordBatchView } from "../arrow/decode.ts";
import { columnsOf } from "../arrow/types.ts";
import type { TableShape } from "../base/table.ts";
import type { Target } from "../base/target.ts";
import { EiderError } from "../errors.ts";
import type { BatchPlan } from "./batch-plan.ts";
import { RowLayout } from "./row-layout.ts";
import { StagedFile, type StagedFileSettings } from "./staged-file.ts";
import { StreamSchema } from "./stream-schema.ts";
import type { TableBuffer } from "./table-buffer.ts";
import type { AppendOptions, AppendResult, ArrowMessage } from "./types.ts";
import { unitOf } from "./write-unit.ts";

export interface StageSettings {
  readonly file: StagedFileSettings;
  readonly stagingFolder: string;
  /** Where a file goes that may become a segment. */
  readonly segmentFolder: (target: Target) => Promise<string>;
}

const NO_TARGET: Target = { schema: "", table: "" };

/** The worker's side of a StageStream that is too large for memory. Calls run in order; the first error is that of all later ones. */
export class Stage {
  readonly target: Target | undefined;
  readonly #stream: StreamSchema;
  readonly #plan: BatchPlan;
  readonly #settings: StageSettings;
  #file: StagedFile | undefined;
  /** A NULL that only deletes may have: whether the rows are deletes is known at the end. */
  #violation: unknown;
  #tail: Promise<unknown> = Promise.resolve();
  #isEnded = false;

  constructor(target: Target | undefined, shape: TableShape | undefined, schema: Uint8Array, settings: StageSettings) {
    this.target = target;
    this.#stream = new StreamSchema(schema, "default");
    this.#settings = settings;
    const own = { target: target ?? NO_TARGET, columns: columnsOf(this.#stream.schema), primaryKey: [] };
    this.#plan = this.#stream.planFor(new RowLayout(shape ?? own));
  }

  get diskBytes(): number {
    return this.#file?.diskBytes ?? 0;
  }

  write(message: ArrowMessage): Promise<void> {
    return this.#next(async () => {
      const batch = this.#stream.decode(message);
      if (batch === undefined || batch.rowCount === 0) return;
      this.#check(batch);
      const file = await this.#openFile();
      await file.write(unitOf(this.#plan, [batch], this.#plan.defaultOp));
    });
  }

  settle(): Promise<void> {
    return this.#next(async () => (await this.#openFile()).settle());
  }

  publish(buffer: TableBuffer, options: AppendOptions): Promise<AppendResult> {
    return this.#next(async () => {
      this.#isEnded = true;
      const file = await this.#openFile();
      const op = options.op ?? this.#plan.defaultOp;
      this.#plan.checkOp(op);
      if (op !== "delete") this.#refuseViolation();
      await file.settle();
      return buffer.publish(file, op, options.token);
    });
  }

  toFile(): Promise<{ path: string; rows: number }> {
    return this.#next(async () => {
      this.#refuseViolation();
      const file = await this.#openFile();
      this.#isEnded = true;
      return { path: await file.toFile(this.#settings.stagingFolder), rows: file.rows };
    });
  }

  /** Waits for what runs. After publish the file is the buffer's and stays. */
  async discard(): Promise<void> {
    this.#isEnded = true;
    await this.#tail.catch(() => {});
    await this.#file?.discard();
  }

  #check(batch: RecordBatchView): void {
    this.#plan.check(batch, "delete");
    try {
      this.#plan.check(batch, this.#plan.defaultOp);
    } catch (error) {
      this.#violation ??= error;
      if (this.#plan.layout.opColumn === undefined) throw error;
    }
  }

  #refuseViolation(): void {
    if (this.#violation !== undefined) throw this.#violation;
  }

  async #openFile(): Promise<StagedFile> {
    if (this.#file) return this.#file;
    const { stagingFolder, segmentFolder, file } = this.#settings;
    const folder = this.target ? await segmentFolder(this.target) : stagingFolder;
    // Without a target the rows are read from the file's own table.
    const settings = this.target ? file : { ...file, parquet: undefined };
    this.#file = await StagedFile.create(folder, this.#plan.layout, settings);
    return this.#file;
  }

  #next<T>(body: () => Promise<T>): Promise<T> {
    const run = this.#tail.then(() => {
      if (this.#isEnded) throw new EiderError("request_invalid", "the staged stream has ended");
      return body();
    });
    this.#tail = run;
    // The error is the caller's too; without this a discard before the next call would leave it unhandled.
    run.catch(() => {});
    return run;
  }
}
