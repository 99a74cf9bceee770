/** A table: `events`, `analytics.events` (parts with dots or quotes in double quotes, as in SQL), or its parts. */
export type TableName = string | readonly string[];

const PART = /^\s*(?:"((?:[^"]|"")+)"|([^".]+?))\s*(?:\.|$)/;

/** Throws a TypeError for what is no name. */
export function tableParts(name: TableName): readonly string[] {
  if (typeof name !== "string") return name;
  const parts: string[] = [];
  let rest = name;
  do {
    const match = PART.exec(rest);
    if (!match) throw new TypeError(`${name} does not name a table; write table or schema.table`);
    parts.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? "");
    const isLast = !match[0].endsWith(".");
    rest = rest.slice(match[0].length);
    if (isLast && rest === "") return parts;
  } while (rest !== "");
  throw new TypeError(`${name} does not name a table; write table or schema.table`);
}

/** `"schema"."table"` */
export function quotedName(name: TableName): string {
  return tableParts(name)
    .map((part) => `"${part.replaceAll('"', '""')}"`)
    .join(".");
}
