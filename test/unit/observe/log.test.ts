import { expect, test } from "vitest";
import { createLog } from "../../../src/observe/log.ts";

function capture(level = "info") {
  const lines: string[] = [];
  const log = createLog({ level, isTerminal: false, destination: { write: (line) => void lines.push(line) } });
  return { log, lines, last: (): Record<string, unknown> => JSON.parse(lines.at(-1) ?? "{}") };
}

test("lines are JSON with level, time and message", () => {
  const { log, lines, last } = capture();
  log.debug("not this");
  log.info({ table: "main.t", rows: 3 }, "flushed");
  expect(lines).toHaveLength(1);
  expect(last()).toMatchObject({ level: "info", msg: "flushed", table: "main.t", rows: 3 });
  expect(last()["time"]).toMatch(/^\d{4}-\d\d-\d\dT/);
});

test("secrets do not reach a line: by key, in messages, in errors", () => {
  const { log, lines } = capture();
  log.info({ password: "hunter2", headers: { authorization: "Bearer hunter2" } }, "a");
  log.warn("cannot connect: password=hunter2 host=db");
  log.error({ err: new Error("IO Error: postgres://ada:hunter2@db refused") }, "b");
  log.error({ error: new Error("password='hunter2'") }, "c");
  log.info({ message: "LINE 1: CREATE SECRET s (TYPE s3, SECRET 'hunter2')", sql: "password = 'hunter2'" }, "d");
  log.info({ header: "Bearer hunter2hunter2", token_of: "eider-session-hunter2-and-more" }, "e");
  log.info("eyJhbGciOi.hunter2hunter2.sig");
  expect(lines).toHaveLength(7);
  expect(lines.join("")).not.toContain("hunter2");
  expect(lines.join("")).toContain("host=db");
  expect(lines[2]).toContain('"stack"');
});
