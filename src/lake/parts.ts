import { CatalogWatch } from "./catalog-watch.ts";
import type { CommitServices } from "./commit.ts";
import { Definitions } from "./definitions.ts";
import { Deletions } from "./deletions.ts";
import { Fences } from "./fence.ts";
import { FileAdoption } from "./file-adoption.ts";
import { LakeInstance, type LakePlace } from "./instance.ts";
import type { LakeOptions } from "./options.ts";
import { prepareLake } from "./prepare.ts";
import { Retries } from "./retries.ts";
import { isOfOldStatistics, renewStatistics } from "./statistics.ts";
import { TableDescriptions } from "./table-descriptions.ts";
import { TableFences } from "./table-fences.ts";
import { Tables } from "./tables.ts";
import { Turn } from "./turn.ts";
import { Watermarks } from "./watermark.ts";

/** What the lake consists of; `Lake` owns the instance and the watch. */
export interface LakeParts {
  readonly instance: LakeInstance;
  readonly watch: CatalogWatch;
  /** Transactions of Eider's own that must not run beside each other: flushes, key changes, new state tables. */
  readonly turn: Turn;
  readonly definitions: Definitions;
  readonly tables: Tables;
  readonly tableFences: TableFences;
  readonly services: CommitServices;
}

/** Attaches the lake and prepares it; what was opened is closed again when that fails. */
export async function openParts(options: LakeOptions, place: LakePlace, isShared: boolean): Promise<LakeParts> {
  const instance = await LakeInstance.open(options, place);
  const watch = new CatalogWatch({
    probe: () => instance.askCatalog(),
    onBack: () => options.onBack?.(),
    log: options.log,
  });
  try {
    return await composeParts(options, place, isShared, instance, watch);
  } catch (error) {
    watch[Symbol.dispose]();
    await instance[Symbol.asyncDispose]();
    throw error;
  }
}

async function composeParts(
  options: LakeOptions,
  place: LakePlace,
  isShared: boolean,
  instance: LakeInstance,
  watch: CatalogWatch,
): Promise<LakeParts> {
  const { failpoints, log, writerId } = options;
  const connect = () => instance.connect();
  const turn = new Turn();
  const definitions = new Definitions();
  const watermarks = new Watermarks(writerId);
  const fences = new Fences(isShared);
  const retries = new Retries({
    rebase: () => descriptions.invalidate(),
    onConflict: (committer, kind) => options.onConflict?.(committer, kind),
  });
  const { metadata, dataPath } = place;
  const descriptions = new TableDescriptions({ metadata, connect, dataPath: dataPath.location, isShared });
  const prepared = await prepareLake(options, { place, connect, watermarks, fences, retries });
  const services: CommitServices = {
    ...prepared,
    database: () => instance.database,
    connect,
    async reopen(error) {
      const isNew = await instance.reopenIfDead();
      if (isNew) descriptions.invalidate();
      else if (isOfOldStatistics(error)) await renewStatistics(connect, log);
      return isNew;
    },
    descriptions,
    adoption: new FileAdoption(metadata, log),
    watermarks,
    fences,
    deletions: new Deletions(connect, metadata, place.catalog.row),
    retries,
    define: (work) => definitions.runInFlush(work),
    writerId,
    failpoints,
    log,
  };
  const tables = new Tables({ descriptions, connect, place, turn, retries, definitions, log });
  const tableFences = new TableFences({ descriptions, fences, connect, definitions, turn, retries });
  return { instance, watch, turn, definitions, tables, tableFences, services };
}
