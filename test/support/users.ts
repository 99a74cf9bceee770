import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import type { Role } from "../../src/access/principal.ts";
import { hashToken, newToken } from "../../src/access/token.ts";

export interface TestUser {
  readonly role?: Role;
  readonly schemas?: Readonly<Record<string, Role>>;
  readonly password?: string;
}

/** A users file in `folder`, and a bearer token for each of its users. */
export function writeUsers<N extends string>(
  folder: string,
  users: Readonly<Record<N, TestUser>>,
): { readonly path: string; readonly tokens: Readonly<Record<N, string>> } {
  const path = join(folder, "users.yaml");
  const names = Object.keys(users) as N[];
  const tokens = Object.fromEntries(names.map((name) => [name, newToken()])) as Record<N, string>;
  const entries = names.map((name) => [name, { ...users[name], tokens: [hashToken(tokens[name])] }]);
  writeFileSync(path, stringify({ users: Object.fromEntries(entries) }));
  return { path, tokens };
}
