import { cp, rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { postgresPrograms } from "../support/postgres-server.ts";
import { NodeRun } from "./node-run.ts";

const missing = postgresPrograms() ? "" : " (PostgreSQL is not installed)";

test.skipIf(missing !== "")(
  `a folder is served by one server: a second is refused, a detached disk goes on elsewhere, a copy takes over${missing}`,
  async () => {
    await using run = await NodeRun.open({ bufferMaxAgeSeconds: 3600, housekeepingIntervalSeconds: 0 });
    await run.start(0);
    const first = await run.start(1);
    const folder = run.folderOf(1);
    await run.put(1, ["t"], [{ id: 1 }]);
    await run.flush(1);
    await run.put(1, ["t"], [{ id: 2 }]);

    // Its server lives: a second one says whose the folder is, and what to do; the first has noticed nothing.
    await expect(run.start(2, folder)).rejects.toThrow(
      new RegExp(
        `data folder .* is in use by another server \\(process ${first.process.pid}\\); stop it or choose another`,
      ),
    );
    await run.put(1, ["t"], [{ id: 3 }]);
    expect((await fetch(`${first.httpUrl}/ready`)).status).toBe(200);

    // Killed; its disk, attached to another machine, goes on with what waited, while a third node writes the same table.
    await run.kill(1);
    await cp(folder, run.folderOf("attached"), { recursive: true });
    await run.start(2, run.folderOf("attached"));
    await run.put(0, ["t"], [{ id: 10 }]);
    await Promise.all([run.flush(2), run.flush(0)]);
    expect(await run.read("FROM t ORDER BY id")).toEqual([[1], [2], [3], [10]]);

    // The old disk comes back: what it holds was flushed by the other, so that it is refused, and told why.
    await expect(run.start(3, folder)).rejects.toThrow(/is an older copy: .*Serve that folder; or remove writer-id/s);

    // A snapshot of the disk is served while the server of the original still runs: the newest holds the lease.
    const original = run.node(2);
    await run.put(2, ["t"], [{ id: 4 }]);
    await cp(run.folderOf("attached"), run.folderOf("snapshot"), { recursive: true });
    await run.start(3, run.folderOf("snapshot"));
    await run.put(2, ["t"], [{ id: 5 }]);
    await expect(run.flush(2)).rejects.toThrow(/another server has taken over .*Stop one of the two/);
    while ((await fetch(`${original.httpUrl}/ready`)).status !== 503) await sleep(50);
    await run.flush(3);
    // Row 4 was on both disks and is in the lake once; row 5 waits on the disk that lost the lease.
    expect(await run.read("FROM t ORDER BY id")).toEqual([[1], [2], [3], [4], [10]]);
    expect(await original.stop()).toMatchObject({ signal: null });

    // Without writer-id the folder is a new writer's, which flushes what waits in it: row 5, and 4 once more.
    await rm(`${run.folderOf("attached")}/writer-id`);
    await run.start(2, run.folderOf("attached"));
    await run.flush(2);
    expect(await run.read("FROM t ORDER BY id")).toEqual([[1], [2], [3], [4], [4], [5], [10]]);
  },
);
