import type { Target } from "../base/target.ts";

/** The only place where names and text become SQL. */

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export function qualifiedName(...parts: readonly string[]): string {
  return parts.map(quoteIdentifier).join(".");
}

/** The name under which the lake is attached. */
export const LAKE = "lake";

/** The schema of Eider's own tables in the lake: watermarks, fences, the keys' mirror. */
export const STATE_SCHEMA = "_eider";

export function lakeTable(target: Target): string {
  return qualifiedName(LAKE, target.schema, target.table);
}
