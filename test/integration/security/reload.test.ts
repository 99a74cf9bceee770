import { X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Authority, makeAuthority, signedBy, writePair } from "../../support/certificates.ts";
import { answerOf, CallError } from "../../support/flight-client.ts";
import { type RunningEider, startEider } from "../../support/start-eider.ts";
import { type TempDir, tempDir } from "../../support/temp-dir.ts";
import { writeUsers } from "../../support/users.ts";

/** What is read anew while the server serves, and a server that demands client certificates. */

const UNAUTHENTICATED = 16;
const LIST_ACTIONS = "/arrow.flight.protocol.FlightService/ListActions";

let folder: TempDir;
let eider: RunningEider;
let authority: Authority;
let users: ReturnType<typeof writeUsers<"ann" | "bob">>;
let machine: { cert: string; key: string };

beforeAll(async () => {
  folder = tempDir("reload");
  authority = await makeAuthority("the authority");
  machine = await signedBy(authority, "ann");
  const server = writePair(folder.path, "server", await signedBy(authority, "localhost"));
  writeFileSync(join(folder.path, "ca.pem"), authority.cert);
  users = writeUsers(folder.path, { ann: { role: "read" }, bob: { role: "read" } });
  eider = await startEider({
    settings: {
      usersFile: users.path,
      tlsCertFile: server.cert,
      tlsKeyFile: server.key,
      tlsClientCaFile: join(folder.path, "ca.pem"),
    },
  });
});

afterAll(async () => {
  await eider[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const flightPort = () => Number(new URL(eider.flightUri).port);
const httpPort = () => Number(new URL(eider.httpUrl).port);

function flightClient(withCertificate = true): Client {
  const pair = withCertificate ? [Buffer.from(machine.key), Buffer.from(machine.cert)] : [null, null];
  return new Client(
    `localhost:${flightPort()}`,
    credentials.createSsl(Buffer.from(authority.cert), pair[0] ?? null, pair[1] ?? null),
    { "grpc.use_local_subchannel_pool": 1 },
  );
}

async function listActions(client: Client, token?: string): Promise<Metadata> {
  const metadata = new Metadata();
  if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
  const asIs = (bytes: Buffer) => bytes;
  const call = client.makeBidiStreamRequest(LIST_ACTIONS, asIs, asIs, metadata);
  call.write(Buffer.alloc(0));
  call.end();
  return (await answerOf(call)).headers;
}

/** The certificate that a new connection is shown. */
function shownCertificate(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connect(
      { port, host: "localhost", ca: authority.cert, cert: machine.cert, key: machine.key },
      () => {
        resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? "none");
        socket.destroy();
      },
    );
    socket.on("error", reject);
  });
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function codeOf(work: Promise<unknown>): Promise<number> {
  try {
    await work;
    return 0;
  } catch (error) {
    if (error instanceof CallError) return error.code;
    throw error;
  }
}

test("a client without a certificate gets no connection to Flight, and is heard over HTTP", async () => {
  const without = flightClient(false);
  await expect(listActions(without)).rejects.toThrow();
  without.close();
  const shown = await shownCertificate(httpPort());
  expect(shown).toBe(new X509Certificate(readFileSync(join(folder.path, "server.pem"))).fingerprint256);
});

test("another certificate is shown to new connections, on both ports; old ones go on", async () => {
  const old = flightClient();
  await listActions(old);
  const renewed = await signedBy(authority, "localhost");
  const expected = new X509Certificate(renewed.cert).fingerprint256;
  expect(await shownCertificate(flightPort())).not.toBe(expected);
  writePair(folder.path, "server", renewed);
  await until(async () => (await shownCertificate(flightPort())) === expected);
  await until(async () => (await shownCertificate(httpPort())) === expected);
  await listActions(old);
  old.close();
});

test("a certificate that does not fit its key is not taken, and is said", async () => {
  const before = await shownCertificate(flightPort());
  writeFileSync(join(folder.path, "server.pem"), (await signedBy(authority, "localhost")).cert);
  await until(async () => eider.logs.includes("could not be read anew"));
  expect(await shownCertificate(flightPort())).toBe(before);
});

test("a user who was taken out is turned away at once, by token and by certificate; others go on", async () => {
  const client = flightClient();
  await listActions(client, users.tokens.bob);
  await listActions(client);
  const kept = readFileSync(users.path, "utf8").replace(/^ {2}ann:\n(?: {4}.*\n)*/m, "");
  expect(kept).not.toContain("ann");
  writeFileSync(users.path, kept);
  await until(async () => (await codeOf(listActions(client))) === UNAUTHENTICATED);
  expect(await codeOf(listActions(client, users.tokens.ann))).toBe(UNAUTHENTICATED);
  expect(await codeOf(listActions(client, users.tokens.bob))).toBe(0);
  client.close();
});

test("a users file that is not right is not taken", async () => {
  const client = flightClient();
  writeFileSync(users.path, "users: { bob: { role: emperor } }");
  await until(async () => eider.logs.includes("users or keys could not be read anew"));
  expect(await codeOf(listActions(client, users.tokens.bob))).toBe(0);
  client.close();
});
