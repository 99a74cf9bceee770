import { maskSecrets } from "../base/secrets.ts";
import { messageOf } from "../errors.ts";

export interface Problem {
  /** Unix time. */
  readonly atMs: number;
  readonly level: "warn" | "error" | "fatal";
  readonly message: string;
  readonly error: string | undefined;
}

const RECENT_LIMIT = 100;
/** pino's levels (https://getpino.io/#/docs/api?id=levels). */
const LEVELS: ReadonlyArray<readonly [number, Problem["level"]]> = [
  [60, "fatal"],
  [50, "error"],
  [40, "warn"],
];

/** The last 100 log lines of level `warn` and above, in memory; secrets masked. */
export class Problems {
  readonly #recent: Problem[] = [];

  /** Oldest first. */
  get recent(): readonly Problem[] {
    return this.#recent;
  }

  /** What pino's logMethod is given: the fields, the text and values for its placeholders, each of them optional. */
  add(inputs: readonly unknown[], level: number, atMs: number): void {
    const name = LEVELS.find(([least]) => level >= least)?.[1];
    if (name === undefined) return;
    const [first] = inputs;
    const error = errorOf(first);
    const message = inputs.find((input) => typeof input === "string") ?? error ?? "";
    this.#recent.push({ atMs, level: name, message: maskSecrets(message), error: error && maskSecrets(error) });
    if (this.#recent.length > RECENT_LIMIT) this.#recent.shift();
  }
}

function errorOf(fields: unknown): string | undefined {
  if (fields instanceof Error) return fields.message;
  if (typeof fields !== "object" || fields === null) return undefined;
  const { err, error } = fields as { err?: unknown; error?: unknown };
  const found = err ?? error;
  return found === undefined ? undefined : messageOf(found);
}
