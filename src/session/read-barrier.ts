import { CONSISTENCIES, type Consistency, consistencyOf } from "../base/consistency.ts";
import { type Target, targetKey } from "../base/target.ts";
import { EiderError } from "../errors.ts";
import { type Token, tokenize } from "../query/tokens.ts";
import type { SessionServices } from "./services.ts";

export function parseConsistency(value: string): Consistency {
  const found = consistencyOf(value);
  if (found) return found;
  throw new EiderError("sql_invalid", `eider_read_consistency is one of ${CONSISTENCIES.join(", ")}; got '${value}'`);
}

type BarrierServices = Pick<SessionServices, "buffers" | "flusher" | "lake">;

/** Rows of a query about the catalog, with the objects that the statement sees. */
export type CatalogQuery = (sql: string) => Promise<ReadonlyArray<Record<string, unknown>>>;

/** A view, macro or prepared statement: naming it names what its text names. */
interface Definition {
  readonly name: string;
  readonly words: ReadonlySet<string>;
}

/**
 * Before a statement of one session, or of nobody's, runs: commits to the lake the rows that wait for tables that it names, so that it sees
 * them. `session`: tables in which this session has rows waiting; `strong`: in which anybody has; `eventual`: none. A table
 * counts as named when its name is a word of the statement, or of a view, macro or prepared statement that it names:
 * rather one flush too many than a row unseen.
 */
export class ReadBarrier {
  readonly #services: BarrierServices;
  readonly #sessionId: string;
  /** Reading them takes as long as a small query: DuckDB lists all of its own functions for it. */
  #definitions: { readonly version: string; readonly all: readonly Definition[] } | undefined;

  constructor(services: BarrierServices, sessionId: string) {
    this.#services = services;
    this.#sessionId = sessionId;
  }

  async wait(consistency: Consistency, tokens: readonly Token[], query: CatalogQuery): Promise<void> {
    const waiting = waitingTargets(this.#services, this.#sessionId, consistency);
    if (waiting.length === 0) return;
    const words = wordsOf(tokens);
    const definitions = await this.#read(query);
    for (let before = -1; before !== words.size; ) {
      before = words.size;
      for (const { name, words: named } of definitions) if (words.has(name)) for (const word of named) words.add(word);
    }
    const named = waiting.filter((target) => words.has(target.table.toLowerCase()));
    await Promise.all(named.map((target) => this.#services.flusher.flush(target, "read")));
  }

  /** After PREPARE, which changes nothing that others see. */
  forget(): void {
    this.#definitions = undefined;
  }

  async #read(query: CatalogQuery): Promise<readonly Definition[]> {
    const version = await this.#services.lake.definitionsVersion();
    if (this.#definitions?.version === version) return this.#definitions.all;
    const rows = await query(
      `SELECT lower(view_name) AS name, sql FROM duckdb_views() WHERE NOT internal
        UNION ALL
       SELECT lower(function_name), macro_definition FROM duckdb_functions() WHERE NOT internal AND macro_definition IS NOT NULL
        UNION ALL
       SELECT lower(name), statement FROM duckdb_prepared_statements()`,
    );
    const all = rows.map((row) => ({ name: String(row["name"]), words: wordsOf(tokenize(String(row["sql"]))) }));
    this.#definitions = { version, all };
    return all;
  }
}

/** Commits what waits for the tables that a statement is about to change or drop, whoever wrote it. */
export async function flushNamed(services: BarrierServices, tokens: readonly Token[]): Promise<void> {
  const words = wordsOf(tokens);
  const dropsSchema = tokens[0]?.text === "drop" && tokens[1]?.text === "schema";
  const isNamed = ({ schema, table }: Target) =>
    words.has(table.toLowerCase()) || (dropsSchema && words.has(schema.toLowerCase()));
  const named = waitingTargets(services, "", "strong").filter(isNamed);
  await Promise.all(named.map((target) => flushBeforeChange(services, target)));
}

/**
 * Commits what waits for a table that is about to be changed. Rows that the table cannot take as it is (it was dropped, or
 * lost its key) go on waiting: the change may be what they wait for.
 */
export async function flushBeforeChange({ flusher }: BarrierServices, target: Target): Promise<void> {
  try {
    await flusher.flush(target, "command");
  } catch (error) {
    if (!(error instanceof EiderError) || error.row.retryable) throw error;
  }
}

function waitingTargets(services: BarrierServices, sessionId: string, consistency: Consistency): Target[] {
  if (consistency === "eventual") return [];
  const seen = new Map<string, Target>();
  for (const view of services.buffers.views()) {
    if (view.openRows + view.sealedRows === 0 && view.sealedSegments === 0) continue;
    if (consistency === "session" && !services.buffers.hasRowsOf(view.target, sessionId)) continue;
    seen.set(targetKey(view.target), view.target);
  }
  return [...seen.values()];
}

/** In lower case: a table is named when its name is among them. */
export function wordsOf(tokens: readonly Token[]): Set<string> {
  const words = new Set<string>();
  for (const token of tokens) {
    if (token.kind === "word" || token.kind === "quoted") words.add(token.text.toLowerCase());
    // query_table('t') and the like name tables in strings.
    if (token.kind === "string")
      for (const part of token.text.toLowerCase().split(/[^\w\u0080-\uffff]+/)) words.add(part);
  }
  return words;
}
