import { expect, test } from "vitest";
import { Scope } from "../../../src/base/scope.ts";
import { answerOf, FlightTestClient } from "../../support/flight-client.ts";
import { startEider } from "../../support/start-eider.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { writeUsers } from "../../support/users.ts";

const UNAUTHENTICATED = 16;

test("a DoPut is refused once its first message is there: Go tells EOF to who sends on a call that has ended", async () => {
  await using scope = new Scope();
  const folder = scope.use(tempDir("refusals"));
  const { path: usersFile } = writeUsers(folder.path, { ann: { role: "write" } });
  const eider = scope.use(await startEider({ settings: { usersFile, openMetrics: true } }));
  using client = new FlightTestClient(Number(new URL(eider.flightUri).port), { authorization: "Bearer guessed" });
  const call = client.open("DoPut");
  const answer = answerOf(call).catch((error: unknown) => error);
  let isAnswered = false;
  call.on("status", () => {
    isAnswered = true;
  });
  while (!/^eider_auth_failures_total\{.*\} [1-9]/m.test(await (await fetch(`${eider.httpUrl}/metrics`)).text()));
  expect(isAnswered).toBe(false);
  call.write(Buffer.alloc(0));
  expect(await answer).toMatchObject({ code: UNAUTHENTICATED });
  call.end();
});
