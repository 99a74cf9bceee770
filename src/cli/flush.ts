import { withClient } from "./connection.ts";
import type { ConnectionFlags } from "./connection-flags.ts";
import { durationText } from "./output/progress.ts";
import { EXIT, type Shell } from "./shell.ts";

/** Commits the rows that wait for a table, or for any, to the lake. */
export async function flush(table: string | undefined, flags: ConnectionFlags, shell: Shell): Promise<number> {
  return await withClient(flags, shell, async (client) => {
    const startedMs = performance.now();
    await client.flush(table);
    const what = table === undefined ? "all tables are" : `${table} is`;
    shell.stderr(`${what} flushed, ${durationText((performance.now() - startedMs) / 1000)}\n`);
    return EXIT.ok;
  });
}
