import type { Role } from "../access/principal.ts";
import type { Connection } from "../duck/database.ts";
import { EiderError } from "../errors.ts";
import { TABLE_FUNCTIONS } from "./function-rules.ts";
import { type QueryTree, queryTree, type TableName } from "./parse-tree.ts";
import type { Piece, TokenCursor } from "./tokens.ts";

/** One thing that a statement does and that a role is needed for. */
export type Use =
  | { readonly kind: "table"; readonly role: "read" | "write"; readonly name: TableName }
  | { readonly kind: "schema"; readonly role: "read" | "write"; readonly name: readonly string[] }
  /** What belongs to no schema: the role is needed everywhere. */
  | { readonly kind: "everywhere"; readonly role: Role; readonly what: string }
  | { readonly kind: "anywhere"; readonly role: Role; readonly what: string };

/** Statements as long as this are not taken apart: their parse trees are fifty times as long. */
const MAX_LENGTH = 1 << 20;

export interface Parser {
  /** An instance that holds nothing: statements are parsed there, and never run. */
  readonly connection: Connection;
  readonly knownFunctions: ReadonlySet<string>;
}

/** Takes one kind of statement apart; the cursor stands at its first word. */
export type Reader = (piece: Piece, cursor: TokenCursor, parser: Parser) => Promise<Use[]>;

export function refused(what: string): EiderError {
  return new EiderError("forbidden", `${what} is not allowed on a server with authentication`);
}

async function treeOf(sql: string, whole: string, { connection, knownFunctions }: Parser): Promise<QueryTree> {
  if (sql.length > MAX_LENGTH) {
    throw new EiderError(
      "too_large",
      `the statement is longer than ${MAX_LENGTH} characters: use bulk ingest for data`,
    );
  }
  const tree = await queryTree(connection, sql, knownFunctions);
  if (tree) return tree;
  await connection.parse(whole);
  throw new EiderError("forbidden", "this form of the statement cannot be checked: write it in a simpler way");
}

function usesOf(tree: QueryTree): Use[] {
  const [unknown] = tree.unknown;
  if (unknown !== undefined) throw refused(unknown);
  return [
    ...tree.tables.map((name): Use => ({ kind: "table", role: "read", name })),
    ...tree.functions.map(({ name, isTable }): Use => {
      const role = isTable ? TABLE_FUNCTIONS.get(name) : "admin";
      if (role === undefined) throw refused(`the function ${name}`);
      return { kind: role === "admin" ? "everywhere" : "anywhere", role, what: `the function ${name}` };
    }),
  ];
}

export async function queryUses(sql: string, whole: string, parser: Parser): Promise<Use[]> {
  return usesOf(await treeOf(sql, whole, parser));
}
