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

test("one staged stream cannot take more than the limit: what it wrote counts as its target's own", async () => {
  const admission = new Admission({ diskLimitBytes: 100, fullWaitSeconds: 0.01, maxInFlightBytes: 1000 });
  admission.setStagedBytes(120);
  admission.stage("t", 120);
  expect(admission.tryEnter("other", { inFlightBytes: 0 }, 1)).toBe(true);
  await expect(admission.enter("t", "main.t", { inFlightBytes: 0 }, 1)).rejects.toMatchObject({ code: "buffer_full" });
  admission.stage("t", -120);
  expect(admission.tryEnter("t", { inFlightBytes: 0 }, 1)).toBe(true);
});
