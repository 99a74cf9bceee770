import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { z } from "zod";
import { EiderError, messageOf } from "../errors.ts";
import { parsePasswordHash } from "./password.ts";
import { type Grants, keyOf, type Principal, ROLES } from "./principal.ts";
import { isTokenHash } from "./token.ts";

/**
 * The users file, YAML:
 *
 *     users:
 *       loader:
 *         password: $scrypt$…        # `eider user add loader`
 *         tokens: [sha256:…]         # `eider user add loader --token`
 *         role: read                 # on every schema …
 *         schemas: { sales: write }  # … but these
 *
 * A user without password and tokens is known by its client certificate or JWT alone.
 */
const roleSchema = z.enum(ROLES);
const userSchema = z.strictObject({
  password: z
    .string()
    .refine((text) => parsePasswordHash(text) !== undefined, "must be a hash that `eider user add` made")
    .optional(),
  tokens: z.array(z.string().refine(isTokenHash, "must be hashes that `eider user add --token` made")).optional(),
  role: roleSchema.optional(),
  schemas: z.record(z.string(), roleSchema).optional(),
});
const fileSchema = z.strictObject({
  users: z.record(z.string().min(1).max(255), userSchema),
});

export type UserEntry = z.infer<typeof userSchema>;
export type UsersFile = z.infer<typeof fileSchema>;

/** Throws `config_invalid`; a message names fields, never their values. */
export function parseUsers(text: string, path: string): UsersFile {
  let document: unknown;
  try {
    document = parse(text, { prettyErrors: false });
  } catch (error) {
    throw new EiderError("config_invalid", `users_file ${path} is not valid YAML: ${messageOf(error)}`);
  }
  const parsed = fileSchema.safeParse(document ?? { users: {} });
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "the file"}: ${issue.message}`);
  throw new EiderError("config_invalid", `users_file ${path}: ${problems.join("; ")}`);
}

export async function readUsers(path: string): Promise<UsersFile> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new EiderError("config_invalid", `users_file cannot be read: ${messageOf(error)}`);
  }
  return parseUsers(text, path);
}

export interface User {
  readonly principal: Principal;
  readonly password: ReturnType<typeof parsePasswordHash>;
  readonly tokens: readonly string[];
}

/** The users as they are now. A user whose entry is changed is another one from then on; its sessions end. */
export class Users {
  #byName = new Map<string, { readonly user: User; readonly entry: string }>();
  #byToken = new Map<string, User>();

  constructor(file: UsersFile = { users: {} }) {
    this.replace(file);
  }

  replace({ users }: UsersFile): void {
    const before = this.#byName;
    this.#byName = new Map();
    this.#byToken = new Map();
    for (const [name, fields] of Object.entries(users)) {
      const entry = JSON.stringify(fields);
      const known = before.get(name);
      const user = known?.entry === entry ? known.user : this.#userOf(name, fields);
      this.#byName.set(name, { user, entry });
      for (const token of user.tokens) this.#byToken.set(token, user);
    }
  }

  #userOf(name: string, { password, tokens, role, schemas }: UserEntry): User {
    const grants = grantsOf(role, schemas);
    const principal: Principal = {
      name,
      key: keyOf(name, grants),
      grants,
      isCurrent: () => this.#byName.get(name)?.user.principal === principal,
    };
    return {
      principal,
      password: password === undefined ? undefined : parsePasswordHash(password),
      tokens: tokens ?? [],
    };
  }

  find(name: string): User | undefined {
    return this.#byName.get(name)?.user;
  }

  findByToken(hash: string): User | undefined {
    return this.#byToken.get(hash);
  }
}

export function grantsOf(
  everywhere: Grants["everywhere"],
  schemas: Readonly<Record<string, "read" | "write" | "admin">> = {},
): Grants {
  return {
    everywhere,
    schemas: new Map(Object.entries(schemas).map(([name, role]) => [name.toLowerCase(), role])),
  };
}
