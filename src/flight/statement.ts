import { decodeSchema, NO_COLUMNS } from "../arrow/schema.ts";
import { EiderError, LimitError } from "../errors.ts";
import type { FlightDescriptor, FlightEndpoint, FlightInfo, Query } from "../wire/messages.ts";
import type { EndpointTraits, ExecuteOptions, Frame, Parameters, Prepared, Session, StatementInfo } from "./backend.ts";
import { countInfo, rowsInfo } from "./flight-info.ts";
import { countOf, framesOf, OpenResult, PlannedResult, SharedStatement } from "./result.ts";
import type { Env } from "./services.ts";

/** SQL text in a command: CommandStatementQuery, CommandStatementUpdate, a path, or the bare text. */

function transactionOf(query: Query): ExecuteOptions {
  const id = query.transaction_id;
  return id && id.length > 0 ? { transaction: Buffer.from(id).toString("utf8") } : {};
}

export function pathQuery(path: readonly string[]): Query {
  if (path.length === 0 || path.length > 3 || path.some((part) => part === "")) {
    throw new EiderError(
      "request_invalid",
      `a path is [table], [schema, table] or [catalog, schema, table], not ${JSON.stringify(path)}`,
    );
  }
  return { query: `SELECT * FROM ${path.map((part) => `"${part.replaceAll('"', '""')}"`).join(".")}` };
}

async function prepare(query: Query, env: Env): Promise<SharedStatement> {
  return await prepareOn(await env.context.session(), query, env);
}

/** Throws `too_large` for a text that is too long. */
export async function prepareOn(session: Session, query: Query, { context, services }: Env): Promise<SharedStatement> {
  const { query: sql = "" } = query;
  const { maxStatementBytes } = services.limits;
  if (sql.length > maxStatementBytes || Buffer.byteLength(sql) > maxStatementBytes) {
    throw new LimitError(
      "too_large",
      "max_statement_bytes",
      `the SQL text is longer than max_statement_bytes (${maxStatementBytes}): send rows by bulk ingest, or as parameters`,
    );
  }
  return new SharedStatement(await session.prepare(sql, { ...transactionOf(query), signal: context.signal }));
}

/**
 * A query is planned here and runs when its ticket is redeemed, so that cancelling the stream cancels it; a statement
 * without rows runs here, because clients that get no rows do not fetch them.
 */
export async function queryInfo(query: Query, descriptor: FlightDescriptor, env: Env): Promise<FlightInfo> {
  const statement = await prepare(query, env);
  try {
    return await statementInfo(statement, undefined, transactionOf(query), descriptor, env);
  } finally {
    await statement.release();
  }
}

const ONE_ENDPOINT: readonly EndpointTraits[] = [{ isRepeatable: false }];

/** Keeps a use of the statement as long as its result waits. */
export async function statementInfo(
  statement: SharedStatement,
  parameters: Parameters | undefined,
  options: ExecuteOptions,
  descriptor: FlightDescriptor,
  env: Env,
): Promise<FlightInfo> {
  const { context, services } = env;
  const { prepared } = statement;
  const record = await context.record();
  if (!prepared.info.isUpdate) {
    const schema = knownSchema(prepared.info, parameters);
    const endpoints: FlightEndpoint[] = [];
    for (const [endpoint, { isRepeatable }] of (prepared.info.endpoints ?? ONE_ENDPOINT).entries()) {
      const result = new PlannedResult(statement.retain(), parameters, { ...options, endpoint }, isRepeatable);
      endpoints.push(await services.tickets.issue(record, result));
    }
    return rowsInfo(descriptor, schema, ...endpoints);
  }
  context.progress = () => prepared.progress?.();
  const result = await prepared.execute(parameters, { ...options, signal: context.signal });
  if (result.kind === "count") return countInfo(descriptor, result.count);
  const endpoint = await services.tickets.issue(record, new OpenResult(statement.retain(), result.rows));
  return rowsInfo(descriptor, result.rows.schema, endpoint);
}

/** A client's parameters may have other types than were asked for, and with them the result: what was known before then does not hold. */
function knownSchema(info: StatementInfo, parameters: Parameters | undefined): Uint8Array | undefined {
  return !parameters || haveSameTypes(parameters.schema, info.parameterSchema) ? info.schema : undefined;
}

function haveSameTypes(bound: Uint8Array, expected: Uint8Array | undefined): boolean {
  if (!expected) return false;
  const [types, others] = [bound, expected].map((schema) =>
    decodeSchema(schema).fields.map((field) => String(field.type)),
  );
  return types?.length === others?.length && types?.every((type, i) => type === others?.[i]) === true;
}

/** GetSchema of SQL text. */
export async function querySchema(query: Query, env: Env): Promise<Uint8Array> {
  const statement = await prepare(query, env);
  try {
    return await schemaOf(statement.prepared, undefined);
  } finally {
    await statement.release();
  }
}

/** Bare schema message of the result, without running the statement. Throws `request_invalid` when only a run would tell. */
export async function schemaOf(prepared: Prepared, parameters: Parameters | undefined): Promise<Uint8Array> {
  const { info } = prepared;
  if (info.isUpdate) return NO_COLUMNS;
  const schema = knownSchema(info, parameters) ?? (parameters && (await prepared.describe?.(parameters)));
  if (schema) return schema;
  throw new EiderError(
    "request_invalid",
    info.parameterSchema && !parameters
      ? "the result's schema depends on the types of the statement's parameters: prepare it and bind them"
      : "the result's schema is not known before the statement has run",
  );
}

export async function* queryFrames(query: Query, env: Env): AsyncGenerator<Frame> {
  const { signal } = env.context;
  const planned = new PlannedResult(await prepare(query, env), undefined, transactionOf(query));
  yield* framesOf(await planned.open(signal), signal);
}

/** Resolves to the number of rows changed. */
export async function runUpdate(query: Query, parameters: Parameters | undefined, env: Env): Promise<number> {
  const { signal } = env.context;
  const statement = await prepare(query, env);
  try {
    const result = await statement.prepared.execute(parameters, { ...transactionOf(query), signal });
    return await countOf(result, signal);
  } finally {
    await statement.release();
  }
}
