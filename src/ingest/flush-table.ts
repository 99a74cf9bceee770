import { type Target, targetName } from "../base/target.ts";
import { EiderError } from "../errors.ts";
import type { IngestServices } from "./services.ts";

/** Flushes one table because somebody asked for it by name: a name that is no table is a mistake, not nothing to do. */
export async function flushTable(
  services: Pick<IngestServices, "lake" | "buffers" | "flusher">,
  target: Target,
): Promise<void> {
  const { lake, buffers, flusher } = services;
  const isKnown = buffers.hasBuffer(target) || buffers.sealed(target).length > 0 || (await lake.describe(target));
  if (!isKnown) throw new EiderError("table_not_found", `table ${targetName(target)} does not exist`);
  await flusher.flush(target, "command");
}
