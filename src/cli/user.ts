import { randomBytes } from "node:crypto";
import { chmod, chown, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { Document, parseDocument } from "yaml";
import { hashPassword } from "../access/password.ts";
import { ROLES, type Role } from "../access/principal.ts";
import { hashToken, newToken } from "../access/token.ts";
import { parseUsers, readUsers } from "../access/users.ts";
import { EiderError, messageOf } from "../errors.ts";
import { EXIT, type Shell } from "./shell.ts";

export interface UserFlags {
  readonly name: string;
  readonly usersFile: string;
  readonly role: string | undefined;
  /** `name=role` */
  readonly schemas: readonly string[];
  /** Make a bearer token and print it. */
  readonly token: boolean;
  /** Read a password from standard input. */
  readonly password: boolean;
}

/** Hashes are no secrets as passwords are, but nobody else's business. */
const FILE_MODE = 0o600;

/** Adds a user to the users file, or changes one; the server takes it up by itself. Resolves to the exit code. */
export async function addUser(flags: UserFlags, shell: Shell): Promise<number> {
  const path = resolve(shell.cwd, flags.usersFile);
  const exists = (await stat(path).catch(() => undefined)) !== undefined;
  if (exists) await readUsers(path);
  const document = exists ? parseDocument(await readFile(path, "utf8")) : new Document({ users: {} });
  const role = flags.role === undefined ? undefined : roleOf(flags.role);
  if (role !== undefined) document.setIn(["users", flags.name, "role"], role);
  for (const text of flags.schemas) setSchemaRole(document, flags.name, text);
  if (flags.password) {
    if (flags.name.includes(":")) {
      throw new EiderError(
        "config_invalid",
        `${flags.name} cannot sign in by password: HTTP Basic ends a name at its colon`,
      );
    }
    const password = await shell.readSecret(`password of ${flags.name}: `);
    if (password === "") throw new EiderError("config_invalid", "the password is empty: give it on standard input");
    document.setIn(["users", flags.name, "password"], await hashPassword(password));
  }
  const token = flags.token ? addToken(document, flags.name) : undefined;
  const text = document.toString({ lineWidth: 0 });
  parseUsers(text, path);
  await replaceFile(path, text);
  shell.stderr(`user ${flags.name} is in ${path}\n`);
  if (token !== undefined) shell.stdout(`${token}\n`);
  return EXIT.ok;
}

function roleOf(text: string): Role {
  const role = ROLES.find((candidate) => candidate === text);
  if (role) return role;
  throw new EiderError("config_invalid", `a role is one of ${ROLES.join(", ")}, not ${text}`);
}

function setSchemaRole(document: Document, name: string, text: string): void {
  const equals = text.lastIndexOf("=");
  if (equals < 1) throw new EiderError("config_invalid", `--schema takes NAME=ROLE, not ${text}`);
  document.setIn(["users", name, "schemas", text.slice(0, equals)], roleOf(text.slice(equals + 1)));
}

function addToken(document: Document, name: string): string {
  const token = newToken();
  if (!document.hasIn(["users", name, "tokens"])) document.setIn(["users", name, "tokens"], document.createNode([]));
  document.addIn(["users", name, "tokens"], hashToken(token));
  return token;
}

/**
 * A reader sees the file before or after, never half of it. It stays where a link points to, and its owner's: the server
 * seldom runs as who adds users.
 */
async function replaceFile(path: string, text: string): Promise<void> {
  const file = await realpath(path).catch(() => path);
  const before = await stat(file).catch(() => undefined);
  const beside = resolve(dirname(file), `.users-${randomBytes(6).toString("hex")}`);
  try {
    await writeFile(beside, text, { mode: FILE_MODE });
    if (before) {
      const made = await stat(beside);
      if (made.uid !== before.uid || made.gid !== before.gid) await chown(beside, before.uid, before.gid);
      await chmod(beside, before.mode & 0o777);
    }
    await rename(beside, file);
  } catch (error) {
    await rm(beside, { force: true });
    throw new EiderError("config_invalid", `users_file cannot be written: ${messageOf(error)}`, { cause: error });
  }
}
