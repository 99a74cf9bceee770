/**
 * What a reader sees of rows that wait for their flush. `session`: those of its own session; `strong`: everybody's;
 * `eventual`: the lake as it is.
 */
export const CONSISTENCIES = ["session", "strong", "eventual"] as const;
export type Consistency = (typeof CONSISTENCIES)[number];

/** Undefined when it is none. */
export function consistencyOf(text: string): Consistency | undefined {
  return CONSISTENCIES.find((name) => name === text);
}
