import { randomUUID } from "node:crypto";
import { open, rm, rmdir, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { JwtVerifier } from "../access/jwt.ts";
import { TlsFiles } from "../access/tls.ts";
import { readUsers } from "../access/users.ts";
import { maskSecrets } from "../base/secrets.ts";
import { describeConfig } from "../config/describe.ts";
import type { LoadedConfig } from "../config/load.ts";
import { hasAuthentication, hasTls, jwtSettings, tlsSettings } from "../config/security.ts";
import { SETTING_KEYS, settingName } from "../config/settings.ts";
import { Database } from "../duck/database.ts";
import { Extensions } from "../duck/extensions.ts";
import { makeFolder } from "../duck/make-folder.ts";
import { EiderError, messageOf } from "../errors.ts";
import { parseCatalog } from "../lake/catalogs.ts";
import { parseDataPath } from "../lake/stores.ts";
import type { Shell } from "./shell.ts";
import { threadPoolProblem } from "./thread-pool.ts";

/** One thing that must be right before the server can run. Resolves to what was found; rejects with what is wrong. */
export interface Check {
  readonly name: string;
  readonly run: (loaded: LoadedConfig, shell: Shell) => Promise<string>;
}

export const CHECKS: readonly Check[] = [
  { name: "settings", run: async (loaded) => listSettings(loaded) },
  { name: "threads", run: async ({ config }, shell) => checkThreads(config, shell) },
  { name: "extensions", run: ({ config }, shell) => checkExtensions(config, shell) },
  { name: "catalog", run: ({ config }) => checkCatalog(config.catalog) },
  { name: "data path", run: ({ config }) => checkDataPath(config.dataPath) },
  { name: "buffer", run: ({ config }) => checkFolder(config.bufferDir, "buffer_dir") },
  { name: "security", run: ({ config }) => checkSecurity(config) },
  { name: "flight port", run: ({ config }) => checkPort(config.host, config.port, "port") },
  { name: "http port", run: ({ config }) => checkPort(config.host, config.httpPort, "http_port") },
];

type Config = LoadedConfig["config"];

function listSettings(loaded: LoadedConfig): string {
  const values = describeConfig(loaded);
  const set = SETTING_KEYS.filter((key) => loaded.sources[key] !== "default").map(settingName);
  return set.length === 0 ? "all defaults" : set.map((name) => `${name} = ${values[name]}`).join("\n");
}

function checkThreads(config: Config, { env }: Shell): string {
  const problem = threadPoolProblem(env, config);
  if (problem !== undefined) throw new EiderError("config_invalid", problem);
  return `UV_THREADPOOL_SIZE is ${env["UV_THREADPOOL_SIZE"]}`;
}

async function checkExtensions(config: Config, { stderr }: Shell): Promise<string> {
  const { row } = parseCatalog(config.catalog);
  const names = new Set(["ducklake", ...row.extensions, ...parseDataPath(config.dataPath).extensions]);
  const extensions = new Extensions({ dir: config.extensionDir, progress: (text) => stderr(`${text}\n`) });
  await using database = await Database.open();
  using connection = await database.connect();
  for (const name of names) await extensions.load(connection, name);
  return `${[...names].join(", ")} loaded`;
}

async function checkCatalog(catalog: string): Promise<string> {
  const { path } = parseCatalog(catalog);
  if (path === undefined) return `${maskSecrets(catalog)} is asked when the server starts`;
  const found = await stat(path).catch(() => undefined);
  if (found && !found.isFile()) throw new EiderError("config_invalid", `catalog ${path} is not a file`);
  await checkFolder(dirname(path), "the catalog's folder");
  return found ? `${path}, ${found.size} bytes` : `${path} will be made`;
}

async function checkSecurity(config: Config): Promise<string> {
  const found: string[] = [];
  if (config.usersFile !== "") {
    found.push(`${Object.keys((await readUsers(config.usersFile)).users).length} users in ${config.usersFile}`);
  }
  await JwtVerifier.open(jwtSettings(config));
  if (hasTls(config)) {
    using _ = await TlsFiles.open(tlsSettings(config), { info: () => undefined, error: () => undefined });
    found.push(`certificate and key of ${config.tlsCertFile} fit`);
  }
  if (!hasAuthentication(config)) found.push("no authentication");
  if (!hasTls(config)) found.push("no TLS");
  return found.join("; ");
}

async function checkDataPath(dataPath: string): Promise<string> {
  if (!parseDataPath(dataPath).isLocal) return `${dataPath} is asked when the server starts`;
  return await checkFolder(dataPath, "data_path");
}

/**
 * Writes, syncs and removes a file in the folder: permissions alone do not tell of a full disk. A folder that had to be
 * made is removed again, since who runs the check may be another user than who runs the server.
 */
async function checkFolder(folder: string, name: string): Promise<string> {
  const path = join(folder, `.eider-check-${randomUUID()}`);
  const firstMade = await makeFolder(folder, name);
  try {
    try {
      await writeAndSync(path);
    } finally {
      await rm(path, { force: true });
      if (firstMade !== undefined) await removeEmptyFolders(folder, firstMade);
    }
  } catch (error) {
    throw new EiderError("config_invalid", `${name} ${folder} cannot be written: ${messageOf(error)}`);
  }
  return `${folder} can be written`;
}

async function writeAndSync(path: string): Promise<void> {
  const file = await open(path, "wx");
  try {
    await file.writeFile("eider");
    await file.sync();
  } finally {
    await file.close();
  }
}

/** From `folder` up to and including `top`; stops at one that is not empty. */
async function removeEmptyFolders(folder: string, top: string): Promise<void> {
  for (let path = folder; path.startsWith(top); path = dirname(path)) {
    try {
      await rmdir(path);
    } catch {
      return;
    }
  }
}

function checkPort(host: string, port: number, name: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error) => {
      reject(
        new EiderError(
          "config_invalid",
          `${name} ${port} on ${host} cannot be taken: ${error.message}; is Eider running already?`,
        ),
      );
    });
    server.listen({ host, port, exclusive: true }, () => {
      server.close(() => resolve(port === 0 ? "a free one is taken at start" : `${host}:${port} is free`));
    });
  });
}
