import { readFileSync } from "node:fs";
import { argv } from "node:process";
import type { FailpointSpec } from "../../../src/base/failpoints.ts";
import { EVENTS, eventsOf } from "./events.ts";
import { openStore, wireOf } from "./support.ts";

/**
 * Run as a process of its own and killed: appends batches of two rows (ids 2n and 2n+1, token `t<n>`) from where its
 * caller says, and prints a line per acknowledgement.
 */
interface ChildOptions {
  readonly dir: string;
  readonly failpoints: FailpointSpec;
  readonly firstBatch: number;
  readonly batches: number;
  readonly bufferMaxRows: number;
  /** Send all in one staged stream instead. */
  readonly staged: boolean;
}

const options = JSON.parse(readFileSync(argv[2] ?? "", "utf8")) as ChildOptions;
const t = await openStore(
  {
    bufferDir: options.dir,
    failpoints: options.failpoints,
    bufferMaxRows: options.bufferMaxRows,
    stageMemoryBytes: 1024,
  },
  true,
);
await t.store.ensureBuffer(EVENTS, 0);
const { schema } = wireOf(eventsOf([0]));
const batch = (n: number) =>
  wireOf(eventsOf([2 * n, 2 * n + 1])).batches[0] ?? { header: new Uint8Array(), body: new Uint8Array() };
const last = options.firstBatch + options.batches;
if (options.staged) {
  const stage = await t.store.stage(EVENTS.target, EVENTS, schema, "s");
  for (let n = options.firstBatch; n < last; n += 1) await stage.write(batch(n));
  const ack = await stage.publish({ token: "staged" });
  process.stdout.write(`ack ${ack.rows}\n`);
} else {
  const stream = await t.store.appendToBuffer(EVENTS.target, schema, "s");
  for (let n = options.firstBatch; n < last; n += 1) {
    await stream.append(batch(n), { token: `t${n}` });
    process.stdout.write(`ack ${n}\n`);
  }
  await t.store.seal(EVENTS.target, "command");
}
process.stdout.write("done\n");
// Without closing anything: whoever started it may also kill it before.
process.kill(process.pid, "SIGKILL");
