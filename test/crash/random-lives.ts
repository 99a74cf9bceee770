import type { Config } from "../../src/config/config.ts";
import type { Kill } from "./crash-run.ts";

export interface Life {
  readonly kill: Kill;
  readonly settings: Partial<Config>;
}

const LIVES = { min: 2, max: 5 };
/** Of the kills come while the server starts, most of them into a recovery. */
const START_SHARE = 0.25;
const LATEST_MS = { spawn: 2_500, ready: 4_000 };
/** From a segment for every few batches to one that only its age seals. */
const BUFFER_ROWS = [40, 300, 20_000];
const WORKERS = [1, 2];

/** The lives of round `index`: the same for the same seed. */
export function randomLives(seed: number, index: number): readonly Life[] {
  const random = mulberry32(seed + index * 0x9e3779b9);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const count = LIVES.min + Math.floor(random() * (LIVES.max - LIVES.min + 1));
  return Array.from({ length: count }, () => {
    const from = random() < START_SHARE ? "spawn" : "ready";
    const afterMs = Math.round(random() * LATEST_MS[from]);
    return { kill: { from, afterMs }, settings: { bufferMaxRows: pick(BUFFER_ROWS), bufferWorkers: pick(WORKERS) } };
  });
}

/** A small generator with a seed; Math.random takes none. https://gist.github.com/tommyettinger/46a874533244883189143505d203312c */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
