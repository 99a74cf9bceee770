import { type Target, targetName } from "../base/target.ts";
import { EiderError } from "../errors.ts";
import type { IngestServices } from "./services.ts";

/** Flushes one table, or all, because somebody asked for it. A name that is no table is a mistake, not nothing to do. */
export async function flushOnCommand(
  services: Pick<IngestServices, "lake" | "buffers" | "flusher">,
  target: Target | undefined,
): Promise<void> {
  const { lake, buffers, flusher } = services;
  if (!target) return await flusher.flushAll("command");
  const isKnown = buffers.hasBuffer(target) || buffers.sealed(target).length > 0 || (await lake.describe(target));
  if (!isKnown) throw new EiderError("table_not_found", `table ${targetName(target)} does not exist`);
  await flusher.flush(target, "command");
}
