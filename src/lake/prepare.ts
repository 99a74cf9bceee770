import type { Connection } from "../duck/database.ts";
import { LAKE, qualifiedName } from "../duck/sql.ts";
import type { Fences } from "./fence.ts";
import { Guards } from "./guard.ts";
import type { LakePlace } from "./instance.ts";
import { takeLease } from "./lease.ts";
import { LocalFiles } from "./local-files.ts";
import { ObjectFiles } from "./object-files.ts";
import type { LakeOptions } from "./options.ts";
import type { Retries } from "./retries.ts";
import { Settlement } from "./settlement.ts";
import { createState } from "./state.ts";
import type { Watermarks } from "./watermark.ts";

export interface Prepared {
  readonly guards: Guards;
  readonly settlement: Settlement;
}

export interface Preparation {
  readonly place: LakePlace;
  readonly connect: () => Promise<Connection>;
  readonly watermarks: Watermarks;
  readonly fences: Fences;
  readonly retries: Retries;
}

/**
 * Before the first flush: makes what is missing in the lake (target schema, Eider's state), takes the writer's lease, and
 * settles what an earlier process left in doubt.
 */
export async function prepareLake(options: LakeOptions, preparation: Preparation): Promise<Prepared> {
  const { place, connect, watermarks, fences, retries } = preparation;
  const { failpoints, log, targetSchema, leaseFile } = options;
  const { catalog, metadata } = place;
  using connection = await connect();
  await retries.run("ensure", () => createState(connection, watermarks.table));
  await retries.run("ensure", () => connection.run(`CREATE SCHEMA IF NOT EXISTS ${qualifiedName(LAKE, targetSchema)}`));
  await takeLease(connection, watermarks, leaseFile, retries);
  await fences.load(connection, metadata);
  const guards = await openGuards(options, preparation);
  const settlement = new Settlement({
    metadata,
    guards,
    commitsMayComeLate: catalog.row.multiProcess && !catalog.row.isFile,
    catalogPath: catalog.path,
    failpoints,
    log,
  });
  await settlement.recover(connection, await watermarks.read(connection));
  return { guards, settlement };
}

async function openGuards(
  { guardDir, guardStore, log }: LakeOptions,
  { place, connect }: Preparation,
): Promise<Guards> {
  const { isLocal, location } = place.dataPath;
  const files = isLocal
    ? await LocalFiles.open(location, guardDir)
    : await ObjectFiles.open({ location, guardDir, copies: guardStore, connect });
  return await Guards.open(files, log);
}
