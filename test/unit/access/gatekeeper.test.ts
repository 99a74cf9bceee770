import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SignJWT } from "jose";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Credentials } from "../../../src/access/credentials.ts";
import { Gatekeeper } from "../../../src/access/gatekeeper.ts";
import { hashPassword } from "../../../src/access/password.ts";
import { EiderError } from "../../../src/errors.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { writeUsers } from "../../support/users.ts";

const ADDRESS = "192.0.2.1";
const SECRET = "a shared secret of more than 32 bytes";

let hash: string;

beforeAll(async () => {
  hash = await hashPassword("right");
});

async function open() {
  const folder = tempDir("gatekeeper");
  const { path, tokens } = writeUsers(folder.path, { ann: { role: "read", password: hash }, bob: { role: "write" } });
  const secretFile = join(folder.path, "secret");
  writeFileSync(secretFile, SECRET);
  const refusals: string[] = [];
  const lines: string[] = [];
  let nowMs = Date.now();
  const gatekeeper = await Gatekeeper.open({
    usersFile: path,
    jwt: { jwks: "", secretFile, issuer: "", audience: "", userClaim: "sub", rolesClaim: "eider" },
    takesCertificates: true,
    refused: (why) => void refusals.push(why),
    log: { info: () => undefined, warn: (_, message) => void lines.push(message), error: () => undefined },
    nowMs: () => nowMs,
    steadyMs: () => nowMs,
  });
  onTestFinished(async () => {
    gatekeeper[Symbol.dispose]();
    await folder[Symbol.asyncDispose]();
  });
  const outcome = async (credentials: Credentials, address = ADDRESS) => {
    try {
      return (await gatekeeper.authenticate(credentials, { address })).name;
    } catch (error) {
      return error instanceof EiderError ? error.code : String(error);
    }
  };
  return { gatekeeper, outcome, refusals, lines, tokens, pass: (seconds: number) => (nowMs += seconds * 1000) };
}

const basic = (password: string, username = "ann"): Credentials => ({ kind: "basic", username, password });
const bearer = (token: string): Credentials => ({ kind: "bearer", token });

describe("failed logins", () => {
  test("of a user at an address are throttled, also with the right password then, and forgiven with time", async () => {
    const { outcome, refusals, pass } = await open();
    for (let i = 0; i < 5; i++) expect(await outcome(basic(`wrong ${i}`))).toBe("unauthenticated");
    expect(await outcome(basic("right"))).toBe("throttled");
    expect(await outcome(basic("right"), "192.0.2.2")).toBe("ann");
    expect(refusals).toEqual([...Array<string>(5).fill("password"), "throttled"]);
    pass(5);
    expect(await outcome(basic("right"), "192.0.2.3")).toBe("ann");
    expect(await outcome(basic("right"))).toBe("ann");
  });

  test("are no more when they come at once", async () => {
    const { outcome } = await open();
    const guesses = await Promise.all(Array.from({ length: 8 }, (_, i) => outcome(basic(`wrong ${i}`))));
    expect(guesses.filter((code) => code === "unauthenticated")).toHaveLength(5);
    expect(guesses.filter((code) => code === "throttled")).toHaveLength(3);
  });

  test("a right password that many connections show at once is checked once, and refused to none", async () => {
    const { outcome, pass } = await open();
    const all = () => Promise.all(Array.from({ length: 300 }, () => outcome(basic("right"))));
    expect(new Set(await all())).toEqual(new Set(["ann"]));
    pass(61);
    expect(new Set(await all())).toEqual(new Set(["ann"]));
  });

  test("a credential that was verified goes on while others fail from its address", async () => {
    const { outcome } = await open();
    expect(await outcome(basic("right"))).toBe("ann");
    for (let i = 0; i < 6; i++) await outcome(basic(`wrong ${i}`));
    expect(await outcome(basic("wrong"))).toBe("throttled");
    expect(await outcome(basic("right"))).toBe("ann");
  });

  test("fill no log: a line for each reason in a minute", async () => {
    const { outcome, refusals, lines, pass } = await open();
    for (let i = 0; i < 500; i++) await outcome(bearer(`guess ${i}`));
    expect(refusals).toHaveLength(500);
    expect(lines).toHaveLength(2);
    pass(61);
    await outcome(bearer("one more"));
    expect(lines).toHaveLength(3);
  });

  test("of many names from one address are throttled together", async () => {
    const { outcome } = await open();
    let throttled = 0;
    for (let i = 0; i < 60; i++) if ((await outcome(bearer(`guess ${i}`))) === "throttled") throttled++;
    expect(throttled).toBe(10);
    expect(await outcome(basic("wrong", "anybody"))).toBe("throttled");
  });

  test("a flood from one address is refused before it costs a hash; another address is heard", async () => {
    const { outcome } = await open();
    const flood = Array.from({ length: 40 }, (_, i) => outcome(basic(`wrong ${i}`, `user ${i}`)));
    const other = outcome(basic("right"), "192.0.2.9");
    const outcomes = await Promise.all(flood);
    expect(outcomes.filter((code) => code === "throttled").length).toBeGreaterThanOrEqual(32);
    expect(await other).toBe("ann");
  });
});

describe("tokens", () => {
  test("of the users file and JWTs name a user; what is neither is refused", async () => {
    const { outcome, tokens, refusals } = await open();
    expect(await outcome(bearer(tokens.bob))).toBe("bob");
    const jwt = await new SignJWT({ eider: { schemas: { Sales: "write" } } })
      .setProtectedHeader({ alg: "HS256" })
      .setSubject("carol")
      .setExpirationTime("1h")
      .sign(Buffer.from(SECRET));
    expect(await outcome(bearer(jwt))).toBe("carol");
    expect(await outcome(bearer(`${jwt}x`))).toBe("unauthenticated");
    expect(await outcome(bearer("nonsense"))).toBe("unauthenticated");
    expect(refusals).toEqual(["jwt", "token"]);
  });

  test("a JWT is believed no longer than it says, and its session neither", async () => {
    const { gatekeeper, outcome, pass } = await open();
    const jwt = await new SignJWT({ eider: { role: "read" } })
      .setProtectedHeader({ alg: "HS256" })
      .setSubject("carol")
      .setExpirationTime("10s")
      .sign(Buffer.from(SECRET));
    const principal = await gatekeeper.authenticate(bearer(jwt), { address: ADDRESS });
    expect(principal.isCurrent()).toBe(true);
    pass(3600);
    expect(principal.isCurrent()).toBe(false);
    // The clock that JWTs are checked by is the machine's: what the gatekeeper has kept is what must be gone.
    expect(principal).not.toBe(await gatekeeper.authenticate(bearer(jwt), { address: ADDRESS }));
    expect(await outcome(bearer(jwt))).toBe("carol");
  });

  test("a certificate's name must be a user", async () => {
    const { gatekeeper } = await open();
    const ofCertificate = (certificateName: string) =>
      gatekeeper.authenticate({ kind: "none" }, { address: ADDRESS, certificateName });
    expect((await ofCertificate("bob")).name).toBe("bob");
    await expect(ofCertificate("mallory")).rejects.toThrow(/no user named as the client certificate/);
  });
});

test("what two tokens of one name may differs, so that they own different things", async () => {
  const { gatekeeper } = await open();
  const principalOf = async (eider: object) => {
    const jwt = await new SignJWT({ eider })
      .setProtectedHeader({ alg: "HS256" })
      .setSubject("ann")
      .setExpirationTime("1h")
      .sign(Buffer.from(SECRET));
    return gatekeeper.authenticate(bearer(jwt), { address: ADDRESS });
  };
  const [reader, again, admin] = [
    await principalOf({ role: "read" }),
    await gatekeeper.authenticate(basic("right"), { address: ADDRESS }),
    await principalOf({ role: "admin" }),
  ];
  expect(reader.key).toBe(again.key);
  expect(reader.key).not.toBe(admin.key);
});
