import { expect, test } from "vitest";
import { connect } from "../../src/index.ts";
import { startEider } from "../support/start-eider.ts";

const isLinux = process.platform === "linux";

test.runIf(isLinux)("results that nobody reads to their end do not gather in memory", async () => {
  await using eider = await startEider();
  const before = eider.residentMb;
  let highest = 0;
  await using client = await connect(eider.flightUri);
  for (let i = 0; i < 150; i++) {
    await (await client.query("SELECT range, 'text of row ' || range AS text FROM range(10_000_000)")).cancel();
    highest = Math.max(highest, eider.residentMb);
  }
  // Each holds 20 MB until its handle is collected.
  expect(highest - before).toBeLessThan(500);
});
