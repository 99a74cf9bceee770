import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { expect, onTestFinished, test } from "vitest";
import { JwtVerifier } from "../../../src/access/jwt.ts";

const AUDIENCE = "eider";

/** An identity provider: an HTTP server with a key set, which can also fail. */
async function openProvider() {
  const { privateKey, publicKey } = await generateKeyPair("RS256");
  const keySet = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: "k1", alg: "RS256" }] });
  const good = (response: ServerResponse): void =>
    void response.setHeader("content-type", "application/json").end(keySet);
  const provider = { answer: good, fetches: 0 };
  const server = createServer((_, response) => {
    provider.fetches++;
    provider.answer(response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  const verifier = await JwtVerifier.open({
    jwks: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`,
    secretFile: "",
    issuer: "",
    audience: AUDIENCE,
    userClaim: "sub",
    rolesClaim: "eider",
  });
  if (!verifier) throw new Error("keys are set");
  const sign = (key: Parameters<SignJWT["sign"]>[0], kid: string) =>
    new SignJWT({ eider: { role: "read" } })
      .setProtectedHeader({ alg: "RS256", kid })
      .setSubject("ann")
      .setAudience(AUDIENCE)
      .setExpirationTime("1h")
      .sign(key);
  return { provider, good, verifier, privateKey, sign };
}

test("a token of the set at an address is taken; its keys are fetched once", async () => {
  const { provider, verifier, privateKey, sign } = await openProvider();
  for (let i = 0; i < 3; i++)
    expect(await verifier.verify(await sign(privateKey, "k1"))).toMatchObject({ name: "ann" });
  expect(provider.fetches).toBe(1);
});

test("a token of another key is refused, whichever key it names", async () => {
  const { verifier, sign } = await openProvider();
  const { privateKey: stranger } = await generateKeyPair("RS256");
  for (const kid of ["k1", "k2"]) {
    await expect(verifier.verify(await sign(stranger, kid))).rejects.toMatchObject({ code: "unauthenticated" });
  }
});

test("a provider that fails is no fault of the token: unavailable, and taken once it is back", async () => {
  const { provider, good, verifier, privateKey, sign } = await openProvider();
  const token = await sign(privateKey, "k1");
  const failures: ReadonlyArray<(response: ServerResponse) => void> = [
    (response) => void response.writeHead(500).end(),
    (response) => void response.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
    (response) => void response.end("not JSON"),
    (response) => void response.end("{}"),
    (response) => void response.destroy(),
  ];
  for (const fail of failures) {
    provider.answer = fail;
    await expect(verifier.verify(token)).rejects.toMatchObject({
      code: "lake_unavailable",
      message: expect.stringMatching(/jwt_jwks/),
    });
  }
  provider.answer = good;
  expect(await verifier.verify(token)).toMatchObject({ name: "ann" });
});
