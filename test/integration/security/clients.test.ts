import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { exportJWK, SignJWT, UnsecuredJWT } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hashPassword } from "../../../src/access/password.ts";
import { makeAuthority, signedBy, writePair } from "../../support/certificates.ts";
import { runPython } from "../../support/python.ts";
import { testCases } from "../../support/python-cases.ts";
import { type RunningEider, startEider } from "../../support/start-eider.ts";
import { type TempDir, tempDir } from "../../support/temp-dir.ts";
import { writeUsers } from "../../support/users.ts";

/** Stock Python clients against a server with TLS, users, a JWKS and an authority for client certificates. */

let folder: TempDir;
let eider: RunningEider;
let made: { readonly [name: string]: unknown };
/** Whatever must never be printed. */
let secrets: string[];

const AUDIENCE = "eider-test";

beforeAll(async () => {
  folder = tempDir("auth");
  const authority = await makeAuthority("the authority");
  const server = writePair(folder.path, "server", await signedBy(authority, "localhost"));
  const machine = await signedBy(authority, "machine");
  const stranger = await signedBy(await makeAuthority("another authority"), "machine");
  const ca = join(folder.path, "ca.pem");
  writeFileSync(ca, authority.cert);

  const password = await hashPassword("correct horse");
  const { path: usersFile, tokens } = writeUsers(folder.path, {
    ada: { schemas: { main: "read", sales: "write" }, password },
    loader: { role: "write" },
    root: { role: "admin" },
    machine: { role: "read" },
    guest: { password },
  });
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwtJwks = join(folder.path, "jwks.json");
  writeFileSync(jwtJwks, JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: "k1", alg: "RS256" }] }));
  const jwts = await makeJwts(privateKey);
  secrets = ["correct horse", ...Object.values(tokens), ...Object.values(jwts), password];

  eider = await startEider({
    settings: {
      usersFile,
      tlsCertFile: server.cert,
      tlsKeyFile: server.key,
      tlsClientCaFile: ca,
      tlsClientAuth: "optional",
      jwtJwks,
      jwtAudience: AUDIENCE,
      logLevel: "trace",
    },
  });
  made = {
    ca: authority.cert,
    clientCert: machine.cert,
    clientKey: machine.key,
    strangerCert: stranger.cert,
    strangerKey: stranger.key,
    tokens,
    jwts,
  };
  await runPython(SETUP, { uri: eider.flightUri, ca: authority.cert, token: tokens.root });
});

afterAll(async () => {
  await eider[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const SETUP = `
import json, sys
import adbc_driver_flightsql.dbapi as flight_sql
made = json.load(sys.stdin)
options = {"adbc.flight.sql.client_option.tls_root_certs": made["ca"], "adbc.flight.sql.authorization_header": "Bearer " + made["token"]}
with flight_sql.connect(made["uri"], db_kwargs=options, autocommit=True) as connection, connection.cursor() as cursor:
    for sql in ["CREATE SCHEMA sales", "CREATE SCHEMA secret", "CREATE TABLE shared (id BIGINT)", "CREATE TABLE sales.orders (id BIGINT)", "CREATE TABLE secret.plans (id BIGINT)"]:
        cursor.execute(sql)
print("null")
`;

async function makeJwts(key: KeyObject): Promise<Readonly<Record<string, string>>> {
  const eider = { role: "read" };
  const jwt = (claims: object) =>
    new SignJWT({ sub: "visitor", eider, ...claims }).setProtectedHeader({ alg: "RS256", kid: "k1" }).setIssuedAt();
  const right = (claims: object) => jwt(claims).setAudience(AUDIENCE).setExpirationTime("1h");
  const other = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  const publicPem = createPublicKey(key).export({ type: "spki", format: "pem" });
  return {
    reader: await right({}).sign(key),
    ada: await right({ sub: "ada", eider: undefined }).sign(key),
    expired: await jwt({}).setAudience(AUDIENCE).setExpirationTime("-1h").sign(key),
    other_audience: await jwt({}).setAudience("another service").setExpirationTime("1h").sign(key),
    other_key: await right({}).sign(other),
    no_expiry: await jwt({}).setAudience(AUDIENCE).sign(key),
    unsigned: new UnsecuredJWT({ sub: "ada" }).setAudience(AUDIENCE).setExpirationTime("1h").encode(),
    hmac_with_public_key: await new SignJWT({ sub: "ada", eider: { role: "admin" } })
      .setProtectedHeader({ alg: "HS256", kid: "k1" })
      .setAudience(AUDIENCE)
      .setExpirationTime("1h")
      .sign(Buffer.from(publicPem)),
  };
}

testCases("test/integration/python/auth_cases.py", {
  server: () => eider,
  env: () => ({ EIDER_TEST_AUTH: JSON.stringify(made) }),
});

test("the ready line says how to connect, and no secret was printed", () => {
  expect(eider.output).toMatch(/^eider ready flight=grpc\+tls:\/\/\S+ http=https:\/\/\S+ data=\S+\n$/);
  for (const secret of secrets) {
    expect(eider.logs.includes(secret), `a secret of ${secret.length} characters is in the log`).toBe(false);
  }
  expect(eider.logs).not.toContain("eider-session-");
});
