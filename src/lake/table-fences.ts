import { type Target, targetName } from "../base/target.ts";
import type { Connection } from "../duck/database.ts";
import { EiderError } from "../errors.ts";
import type { Definitions } from "./definitions.ts";
import type { Fences } from "./fence.ts";
import type { Retries } from "./retries.ts";
import type { TableDescriptions } from "./table-descriptions.ts";
import type { TableDetail } from "./table-detail.ts";
import type { Turn } from "./turn.ts";

export interface TableFencesOptions {
  readonly descriptions: TableDescriptions;
  readonly fences: Fences;
  readonly connect: () => Promise<Connection>;
  readonly definitions: Definitions;
  readonly turn: Turn;
  readonly retries: Retries;
}

/** The fences of keyed tables for transactions of sessions; a table without key needs none. */
export class TableFences {
  readonly #options: TableFencesOptions;

  constructor(options: TableFencesOptions) {
    this.#options = options;
  }

  /** See `Lake.touchFence`. */
  async touch(connection: Connection, target: Target): Promise<void> {
    const detail = await this.#options.descriptions.detail(target);
    if (!detail) throw new EiderError("table_not_found", `table ${targetName(target)} does not exist`);
    if (detail.shape.primaryKey.length === 0) return;
    await this.make(target);
    await this.#options.fences.touch(connection, detail.uuid);
  }

  /** Whether `touch` would have to make the target's fence first. */
  async isMissing(target: Target): Promise<boolean> {
    return (await this.#unfenced(target)) !== undefined;
  }

  /** Not within a transaction that has defined tables: it would wait for itself. */
  async make(target: Target): Promise<void> {
    const { fences, definitions, turn, connect, retries } = this.#options;
    const detail = await this.#unfenced(target);
    if (!detail) return;
    await definitions.run(() =>
      turn.run(async () => {
        using own = await connect();
        await retries.run("ensure", () => fences.ensure(own, detail.uuid));
      }),
    );
  }

  async #unfenced(target: Target): Promise<TableDetail | undefined> {
    const { descriptions, fences } = this.#options;
    const detail = await descriptions.detail(target);
    return detail && detail.shape.primaryKey.length > 0 && !fences.has(detail.uuid) ? detail : undefined;
  }
}
