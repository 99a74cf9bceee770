import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./free-port.ts";
import { Service } from "./service.ts";
import { tempDir } from "./temp-dir.ts";

/** Debian's folder of PostgreSQL versions. */
const VERSIONS = "/usr/lib/postgresql";
const USER = "eider";
export const POSTGRES_PASSWORD = "it's a secret";

/** Undefined when PostgreSQL is not installed: scripts/setup-servers.sh does that. */
export function postgresPrograms(): string | undefined {
  const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS).sort((a, b) => Number(b) - Number(a)) : [];
  return versions.map((version) => join(VERSIONS, version, "bin")).find((bin) => existsSync(join(bin, "initdb")));
}

export interface PostgresServer extends AsyncDisposable {
  readonly port: number;
  /** A new database; resolves to its libpq pairs without the password, `port` being the server's unless given. */
  createDatabase(name: string): void;
  connection(database: string, port?: number): string;
  /** Ends it without waiting for clients; its data stay. */
  stop(): Promise<void>;
  /** After `stop`, on the same port. */
  start(): Promise<void>;
}

/** A cluster of its own, in a temporary folder; asks for a password. */
export async function startPostgres(): Promise<PostgresServer> {
  const bin = postgresPrograms();
  if (bin === undefined) throw new Error("PostgreSQL is not installed: run scripts/setup-servers.sh");
  const folder = tempDir("postgres");
  const data = join(folder.path, "data");
  const passwordFile = join(folder.path, "password");
  mkdirSync(data);
  writeFileSync(passwordFile, POSTGRES_PASSWORD);
  // PostgreSQL refuses to run as root; Debian's package has made a user for it.
  const isRoot = process.getuid?.() === 0;
  if (isRoot) execFileSync("chown", ["-R", "postgres", folder.path]);
  const runAs = isRoot ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] : [];
  const run = (program: string, args: readonly string[]): [string, string[]] => {
    const [first = "", ...rest] = [...runAs, join(bin, program), ...args];
    return [first, rest];
  };
  const init = run("initdb", ["-D", data, "-U", USER, "-A", "scram-sha-256", `--pwfile=${passwordFile}`, "--no-sync"]);
  execFileSync(...init, { cwd: folder.path, stdio: ["ignore", "ignore", "pipe"] });
  const port = await freePort();
  const options = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"].flatMap((text) => [
    "-c",
    text,
  ]);
  let service: Service | undefined;
  const start = async () => {
    service = await Service.start(...run("postgres", ["-D", data, "-p", String(port), ...options]), {
      port,
      cwd: folder.path,
      signal: "SIGINT",
    });
    await untilReady(bin, port);
  };
  const stop = async () => await service?.[Symbol.asyncDispose]();
  await start();
  return {
    port,
    start,
    stop,
    connection: (database, via = port) => `host=127.0.0.1 port=${via} user=${USER} dbname=${database}`,
    createDatabase(name) {
      execFileSync(join(bin, "createdb"), ["-h", "127.0.0.1", "-p", String(port), "-U", USER, name], {
        env: { ...process.env, PGPASSWORD: POSTGRES_PASSWORD },
      });
    },
    async [Symbol.asyncDispose]() {
      await stop();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Its port is open before it takes connections ("the database system is starting up"). A test's own timeout ends the wait. */
async function untilReady(bin: string, port: number): Promise<void> {
  const args = ["-q", "-h", "127.0.0.1", "-p", String(port), "-U", USER];
  while (spawnSync(join(bin, "pg_isready"), args).status !== 0) await sleep(20);
}
