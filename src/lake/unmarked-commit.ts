import type { Connection } from "../duck/database.ts";
import { isFatal } from "../duck/errors.ts";
import { messageOf } from "../errors.ts";
import type { CommitServices } from "./commit.ts";
import type { GuardEntry } from "./guard.ts";
import { type CommitVerdict, commitVerdict } from "./verdict.ts";

/**
 * COMMIT of a transaction that moves no watermark: housekeeping's, and clients' own. DuckLake deletes what it wrote when the
 * answer is lost; what the catalog refers to, now or later, is put back. Rejects with COMMIT's error.
 */
export async function commitUnmarked(
  services: Pick<CommitServices, "connect" | "reopen" | "settlement" | "log">,
  connection: Connection,
  entry: GuardEntry | undefined,
  what: string,
): Promise<void> {
  const { settlement, log } = services;
  let failure: unknown;
  let verdict: CommitVerdict = "durable";
  let isDead = false;
  try {
    await connection.run("COMMIT");
  } catch (error) {
    verdict = commitVerdict(error);
    if (verdict !== "durable") failure = error;
    isDead = isFatal(error);
    if (!isDead) await connection.rollback();
  }
  try {
    if (isDead) await services.reopen(failure);
    using own = connection.isClosed ? await services.connect() : undefined;
    const settling = own ?? connection;
    if (verdict === "in_doubt") await settlement.keepCompaction(settling, entry);
    else await settlement.harden(settling, entry, verdict === "durable");
  } catch (error) {
    settlement.keep(entry);
    log.warn({ what, error: messageOf(error) }, "files of a COMMIT could not be checked yet");
  }
  if (failure !== undefined) throw failure;
}
