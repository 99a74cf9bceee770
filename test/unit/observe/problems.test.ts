import { expect, test } from "vitest";
import { createLog } from "../../../src/observe/log.ts";
import { Problems } from "../../../src/observe/problems.ts";

function logWith(level: string) {
  const problems = new Problems();
  const log = createLog({ level, isTerminal: false, destination: { write: () => undefined }, problems });
  return { problems, log };
}

test("keeps warnings and worse, with what went wrong, and no secrets", () => {
  const { problems, log } = logWith("info");
  log.info("starting");
  log.warn({ error: "password=hunter2 was refused" }, "cannot connect with secret='x'");
  log.error(new Error("disk is full"));
  log.child({ table: "t" }).fatal({ err: new Error("gone") }, "stopped");
  expect(problems.recent).toEqual([
    {
      atMs: expect.any(Number),
      level: "warn",
      message: "cannot connect with secret=***",
      error: "password=*** was refused",
    },
    { atMs: expect.any(Number), level: "error", message: "disk is full", error: "disk is full" },
    { atMs: expect.any(Number), level: "fatal", message: "stopped", error: "gone" },
  ]);
});

test("keeps the last 100", () => {
  const { problems, log } = logWith("info");
  for (let i = 0; i < 150; i++) log.warn(`problem ${i}`);
  expect(problems.recent).toHaveLength(100);
  expect(problems.recent[0]?.message).toBe("problem 50");
});
