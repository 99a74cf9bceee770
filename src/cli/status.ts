import { setTimeout as sleep } from "node:timers/promises";
import type { EiderClient } from "../client/client.ts";
import { withClient } from "./connection.ts";
import type { ConnectionFlags } from "./connection-flags.ts";
import { jsonText } from "./output/cell-text.ts";
import { TableText } from "./output/table-text.ts";
import { EXIT, type Shell } from "./shell.ts";

export interface StatusFlags extends ConnectionFlags {
  readonly once?: true;
  readonly json?: true;
}

interface Section {
  readonly name: string;
  readonly title: string;
  readonly sql: string;
}

/** What is shown, in this order; every number is the server's own (`eider_buffers()` and the like). */
const SECTIONS: readonly Section[] = [
  {
    name: "buffers",
    title: "Buffers: rows that are durable and not in the lake yet",
    sql: `SELECT schema_name || '.' || table_name AS "table", open_rows + sealed_rows AS rows, open_bytes + sealed_bytes AS bytes,
        sealed_segments, round(date_diff('millisecond', oldest_row_at, now()) / 1000, 1) AS oldest_seconds, disk_bytes, last_seq
      FROM eider_buffers() ORDER BY rows DESC, "table"`,
  },
  {
    name: "tasks",
    title: "Flushes that are due",
    sql: `SELECT schema_name || '.' || table_name AS "table", state, rows, failures, retry_at, error FROM eider_tasks() ORDER BY "table"`,
  },
  {
    name: "flushes",
    title: "Last flushes",
    sql: `SELECT schema_name || '.' || table_name AS "table", reason, started_at, round(duration_seconds, 3) AS seconds, rows_in,
        rows_out, error
      FROM eider_flushes() ORDER BY started_at DESC LIMIT 10`,
  },
];

const REDRAW_MS = 1000;
const CLEAR_SCREEN = "\x1b[H\x1b[J";

/** What the server is doing: once, or on a terminal again each second until a signal. */
export async function status(flags: StatusFlags, shell: Shell): Promise<number> {
  return await withClient(flags, shell, async (client) => {
    if (flags.json) {
      await shell.write(await jsonOf(client));
      return EXIT.ok;
    }
    if (flags.once || !shell.stdoutIsTerminal) {
      await shell.write(await textOf(client));
      return EXIT.ok;
    }
    const stop = new AbortController();
    const unlisten = shell.onStopSignal(() => stop.abort());
    try {
      while (!stop.signal.aborted) {
        const text = await textOf(client);
        await shell.write(`${CLEAR_SCREEN}${text}`);
        await sleep(REDRAW_MS, undefined, { signal: stop.signal }).catch(() => undefined);
      }
      return EXIT.ok;
    } finally {
      unlisten();
    }
  });
}

async function textOf(client: EiderClient): Promise<string> {
  const parts: string[] = [];
  for (const { title, sql } of SECTIONS) {
    await using result = await client.query(sql);
    const table = new TableText(result.schema, 0);
    for await (const batch of result) table.add(batch);
    parts.push(table.rowCount === 0 ? `${title}: none\n` : `${title}\n${table.text()}`);
  }
  return parts.join("\n");
}

async function jsonOf(client: EiderClient): Promise<string> {
  const parts: string[] = [];
  for (const { name, sql } of SECTIONS) {
    await using result = await client.query(sql);
    const rows: string[] = [];
    for await (const batch of result) {
      const struct = batch.data;
      for (let row = 0; row < batch.numRows; row++) rows.push(jsonText(struct, row));
    }
    parts.push(`${JSON.stringify(name)}:[${rows.join(",")}]`);
  }
  return `{${parts.join(",")}}\n`;
}
