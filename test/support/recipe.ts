import { readFileSync } from "node:fs";

/** A fenced block of a page that is run, and what it must print: the `text` block that follows it. */
export interface RecipeStep {
  readonly language: string;
  readonly code: string;
  readonly expected: string | undefined;
}

export interface Recipe {
  /** Variables that the server is started with: of the block `sh server`. */
  readonly serverEnv: Readonly<Record<string, string>>;
  readonly steps: readonly RecipeStep[];
}

const FENCE = /^```([^\n]*)\n(.*?)^```$/gms;

export function readRecipe(path: string): Recipe {
  const blocks = [...readFileSync(path, "utf8").matchAll(FENCE)].map(([, info = "", code = ""]) => ({ info, code }));
  const steps: RecipeStep[] = [];
  const serverEnv: Record<string, string> = {};
  for (const [i, { info, code }] of blocks.entries()) {
    if (info === "sh server") {
      for (const [, name = "", value = ""] of code.matchAll(/^export (\w+)=(.*)$/gm)) serverEnv[name] = value;
    } else if (info !== "text") {
      const next = blocks[i + 1];
      steps.push({ language: info, code, expected: next?.info === "text" ? next.code : undefined });
    }
  }
  return { serverEnv, steps };
}
