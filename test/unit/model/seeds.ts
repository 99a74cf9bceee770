/** Runs that have failed once: each is made again, always. They hold for the pinned version of fast-check and the steps as they are. */
export const KEPT_SEEDS: ReadonlyArray<{ readonly seed: number; readonly path: string }> = [];
