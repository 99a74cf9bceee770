/**
 * Named points of the way of a row at which a test may kill the process or inject an error. A server started by `main`
 * has none; only tests pass a spec to `openServer`, which hands it on to the buffer workers (it is plain data for that).
 */
export const FAILPOINTS = [
  "append.before_commit",
  "append.after_commit",
  "stage.before_copy",
  "stage.before_publish",
  "stage.after_publish",
  "seal.before_checkpoint",
  "seal.after_checkpoint",
  "compact.before",
  "compact.after",
  "commit.before_begin",
  "commit.after_adoption",
  "commit.before_guard",
  "commit.after_guard",
  "commit.before_commit",
  "commit.after_commit",
  "harden.before",
  "harden.after",
  "remove.before",
  "remove.after",
] as const;

export type Failpoint = (typeof FAILPOINTS)[number];

export interface FailpointAction {
  /** `kill`: SIGKILL to this process; `error`: throw an Error with `message`. */
  readonly action: "kill" | "error";
  readonly message?: string;
  /** Hits to let pass first. Default 0. */
  readonly skip?: number;
  /** Hits to act on after that. Default: all. */
  readonly times?: number;
}

export type FailpointSpec = Partial<Record<Failpoint, FailpointAction>>;

export class Failpoints {
  readonly #spec: FailpointSpec;
  readonly #hits = new Map<Failpoint, number>();

  constructor(spec: FailpointSpec = {}) {
    this.#spec = spec;
  }

  hit(name: Failpoint): void {
    const row = this.#spec[name];
    if (!row) return;
    const hits = this.#hits.get(name) ?? 0;
    this.#hits.set(name, hits + 1);
    const skip = row.skip ?? 0;
    if (hits < skip || hits >= skip + (row.times ?? Number.POSITIVE_INFINITY)) return;
    if (row.action === "kill") process.kill(process.pid, "SIGKILL");
    throw new Error(row.message ?? `failpoint ${name}`);
  }
}
