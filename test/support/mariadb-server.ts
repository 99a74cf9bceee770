import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import { Service } from "./service.ts";
import { tempDir } from "./temp-dir.ts";

const SERVER = "/usr/sbin/mariadbd";

export const hasMariadb = () => existsSync(SERVER);

export interface MariadbServer extends AsyncDisposable {
  /** With its empty database `lake`, in the form of DuckDB's MySQL extension. */
  readonly connection: string;
}

/** A server of its own, in a temporary folder, open to its user without a password. */
export async function startMariadb(): Promise<MariadbServer> {
  const folder = tempDir("mariadb");
  const data = join(folder.path, "data");
  const socket = join(folder.path, "socket");
  const asRoot = process.getuid?.() === 0 ? ["--user=root"] : [];
  const install = ["--no-defaults", ...asRoot, "--auth-root-authentication-method=normal", "--skip-test-db"];
  execFileSync("mariadb-install-db", [...install, `--datadir=${data}`], { stdio: "pipe" });
  const port = await freePort();
  const options = [`--datadir=${data}`, `--port=${port}`, "--bind-address=127.0.0.1", `--socket=${socket}`];
  const service = await Service.start(SERVER, ["--no-defaults", ...asRoot, ...options], { port });
  execFileSync("mariadb", ["--no-defaults", `--socket=${socket}`, "-uroot", "-e", "CREATE DATABASE lake"]);
  return {
    connection: `host=127.0.0.1 port=${port} user=root database=lake`,
    async [Symbol.asyncDispose]() {
      await service[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}
