import { expect, test } from "vitest";
import { Admission } from "../../../src/buffer/admission.ts";

test("room that a staged stream gives back lets those who wait go on", async () => {
  const admission = new Admission({ diskLimitBytes: 100, fullWaitSeconds: 60, maxInFlightBytes: 1000 });
  const lane = { inFlightBytes: 0 };
  admission.update("t", 60, true);
  admission.setStagedBytes(60);
  const waiting = admission.enter("t", "main.t", lane, 1);
  expect(admission.counters).toMatchObject({ waiting: 1, waitingForDisk: 1 });
  admission.setStagedBytes(10);
  await waiting;
  expect(admission.counters).toMatchObject({ waiting: 0, waits: 1 });
});
