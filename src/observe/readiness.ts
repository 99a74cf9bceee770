/** What of the lake decides whether requests can be taken. */
interface LakeState {
  /** Another process serves this writer. */
  readonly isTakenOver: boolean;
  readonly outage: { readonly sinceMs: number } | undefined;
}

/** Whether the server takes requests, for probes, the status page and whoever asks. */
export class Readiness {
  readonly #lake: LakeState;
  #isDraining = false;

  constructor(lake: LakeState) {
    this.#lake = lake;
  }

  drain(): void {
    this.#isDraining = true;
  }

  /** Why the server takes no requests; empty when it does. */
  get notReady(): readonly string[] {
    return [
      ...(this.#isDraining ? ["the server is shutting down"] : []),
      ...(this.#lake.isTakenOver ? ["another server serves this data folder, or a copy of it"] : []),
    ];
  }

  /** What does not work although requests are taken; empty: everything works. */
  get degraded(): readonly string[] {
    const { outage } = this.#lake;
    if (!outage) return [];
    // Strangers may read it: what the catalog's driver says is for the log, and for those who query.
    return [
      `the lake's catalog has not answered since ${new Date(outage.sinceMs).toISOString()}: ` +
        "appends to tables that were written to since the start are taken, all else waits",
    ];
  }
}
