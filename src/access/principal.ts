import { EiderError } from "../errors.ts";

/** What a caller may do, each including those before it. Order matters. */
export const ROLES = ["read", "write", "admin"] as const;
export type Role = (typeof ROLES)[number];

/** Roles by schema; `everywhere` holds on those that are not named, and on what belongs to no schema. */
export interface Grants {
  readonly everywhere: Role | undefined;
  /** By lower-case name: DuckDB's names ignore case. */
  readonly schemas: ReadonlyMap<string, Role>;
}

/** Who calls, and what they may do. */
export interface Principal {
  readonly name: string;
  /** Tells this name with these grants from any other: whose sessions, tickets and statements are whose. */
  readonly key: string;
  /** Undefined: authentication is off, and nothing is checked. */
  readonly grants: Grants | undefined;
  /** False once the credentials behind it have expired or were taken back. */
  isCurrent(): boolean;
}

/** A caller of a server without authentication; a name is believed. */
export function openPrincipal(name: string): Principal {
  return { name, key: name, grants: undefined, isCurrent: () => true };
}

export function keyOf(name: string, grants: Grants): string {
  return JSON.stringify([name, grants.everywhere ?? "", [...grants.schemas].sort()]);
}

const rank = (role: Role | undefined) => (role === undefined ? -1 : ROLES.indexOf(role));

/** Whether the grants hold `role` on a schema; without one: on everything that has none. */
export function holds(grants: Grants, role: Role, schema?: string): boolean {
  const held =
    schema === undefined ? grants.everywhere : (grants.schemas.get(schema.toLowerCase()) ?? grants.everywhere);
  return rank(held) >= rank(role);
}

/** Whether the grants hold `role` on at least one schema. */
export function holdsAnywhere(grants: Grants, role: Role): boolean {
  return holds(grants, role) || [...grants.schemas.values()].some((held) => rank(held) >= rank(role));
}

/** Throws `forbidden`. */
export function requireRole(principal: Principal, role: Role, schema: string | undefined, what: string): void {
  if (!principal.grants || holds(principal.grants, role, schema)) return;
  const where = schema === undefined ? "on every schema" : `on schema ${schema}`;
  throw new EiderError("forbidden", `${what} needs the role ${role} ${where}, which ${principal.name} does not have`);
}

/** Throws `forbidden`. */
export function requireRoleAnywhere(principal: Principal, role: Role, what: string): void {
  if (!principal.grants || holdsAnywhere(principal.grants, role)) return;
  throw new EiderError(
    "forbidden",
    `${what} needs the role ${role} on some schema, which ${principal.name} does not have`,
  );
}
