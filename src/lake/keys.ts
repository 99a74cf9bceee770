/**
 * DuckLake has no PRIMARY KEY, so the key is kept in the table's comment, where every node and every SQL client finds
 * it: `eider:{"v":1,"pk":["id"]}`. A text that a user had put there is kept as `comment`.
 */
const PREFIX = "eider:";

export function keyComment(primaryKey: readonly string[], previous: string | null | undefined): string {
  const comment = previous?.startsWith(PREFIX) ? parse(previous)?.comment : (previous ?? undefined);
  return `${PREFIX}${JSON.stringify({ v: 1, pk: primaryKey, ...(comment === undefined ? {} : { comment }) })}`;
}

/** The key that a table's comment tells, or undefined when it is not Eider's. */
export function keyOfComment(comment: string | null | undefined): readonly string[] | undefined {
  return comment?.startsWith(PREFIX) ? parse(comment)?.pk : undefined;
}

function parse(comment: string): { pk: string[]; comment?: string } | undefined {
  try {
    const value: unknown = JSON.parse(comment.slice(PREFIX.length));
    if (typeof value !== "object" || value === null || !("pk" in value) || !Array.isArray(value.pk)) return undefined;
    const text = "comment" in value && typeof value.comment === "string" ? { comment: value.comment } : {};
    return { pk: value.pk.map(String), ...text };
  } catch {
    return undefined;
  }
}
