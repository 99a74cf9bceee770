import type { RecordBatchView } from "../arrow/decode.ts";
import type { BatchPlan } from "./batch-plan.ts";
import type { RowLayout } from "./row-layout.ts";
import type { AppendOptions, Op } from "./types.ts";

/** Batches that become durable together or not at all: one batch of a stream, or all of a staged stream. Already checked. */
export interface WriteUnit {
  readonly plan: BatchPlan;
  readonly batches: readonly RecordBatchView[];
  readonly op: Op;
  readonly token: string | undefined;
  readonly rows: number;
  /** Arrow body bytes as received. */
  readonly bytes: number;
}

/** Batches that wait for the open segment, whose layout may change before their turn comes. */
export class PendingUnit {
  readonly #batches: readonly RecordBatchView[];
  readonly #options: AppendOptions;
  readonly #plan: (layout: RowLayout) => BatchPlan;

  constructor(batches: readonly RecordBatchView[], options: AppendOptions, plan: (layout: RowLayout) => BatchPlan) {
    this.#batches = batches;
    this.#options = options;
    this.#plan = plan;
  }

  get token(): string | undefined {
    return this.#options.token;
  }

  /** Throws what is wrong with the batches, before anything is written. */
  planFor(layout: RowLayout): WriteUnit {
    const plan = this.#plan(layout);
    const op = this.#options.op ?? plan.defaultOp;
    plan.checkOp(op);
    for (const batch of this.#batches) plan.check(batch, op);
    return unitOf(plan, this.#batches, op, this.#options.token);
  }
}

export function unitOf(
  plan: BatchPlan,
  batches: readonly RecordBatchView[],
  op: Op,
  token: string | undefined = undefined,
): WriteUnit {
  const sum = (value: (batch: RecordBatchView) => number) => batches.reduce((total, batch) => total + value(batch), 0);
  return { plan, batches, op, token, rows: sum((batch) => batch.rowCount), bytes: sum((batch) => batch.bodyBytes) };
}
