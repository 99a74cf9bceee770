import {
  type DataType,
  Field,
  Null,
  Schema,
  Time,
  TimeMillisecond,
  Timestamp,
  TimestampMillisecond,
  Utf8,
} from "apache-arrow";
import { decodeSchema, encodeSchema } from "../arrow/schema.ts";
import type { FlightDescriptor, FlightInfo, Handle, PreparedResult, Query } from "../wire/messages.ts";
import type { Frame, Parameters } from "./backend.ts";
import { schemaBytes } from "./flight-info.ts";
import { isJava } from "./identity.ts";
import type { Lease } from "./lease.ts";
import { checkedHandle, countOf, framesOf, PlannedResult, type SharedStatement } from "./result.ts";
import type { Env } from "./services.ts";
import { prepareOn, schemaOf, statementInfo } from "./statement.ts";

/** A client's handle: the statement and what was last bound to it. */
export interface BoundStatement {
  readonly sql: string;
  statement: SharedStatement;
  parameters: Parameters | undefined;
  isUsed: boolean;
}

export async function createPrepared(query: Query, env: Env): Promise<PreparedResult> {
  const { context, services } = env;
  const record = await context.record();
  const session = await record.session();
  const statement = await prepareOn(session, query, env);
  try {
    const { info } = statement.prepared;
    const parameterSchema = info.parameterSchema && parametersFor(info.parameterSchema, env);
    const { id } = services.statements.add(record, {
      sql: query.query ?? "",
      statement,
      parameters: undefined,
      isUsed: false,
    });
    return {
      prepared_statement_handle: Buffer.from(id),
      dataset_schema: schemaBytes(info.isUpdate ? undefined : info.schema),
      parameter_schema: schemaBytes(parameterSchema),
      is_update: info.isUpdate,
    };
  } catch (error) {
    await statement.release();
    throw error;
  }
}

/** Java's driver fills the parameters that it is told of, whatever they are; other clients send their own types. */
function parametersFor(schema: Uint8Array, { context }: Env): Uint8Array {
  if (!isJava(context.client)) return schema;
  const { fields, metadata } = decodeSchema(schema);
  const fillable = fields.map((field) => new Field(field.name, fillableByJava(field.type), true, field.metadata));
  return encodeSchema(new Schema(fillable, metadata));
}

/**
 * It can put nothing into a null-typed vector, so that parameters of unknown type are text to it; and it writes
 * milliseconds into times and timestamps of any unit.
 */
function fillableByJava(type: DataType): DataType {
  if (type instanceof Null) return new Utf8();
  if (type instanceof Time) return new TimeMillisecond();
  if (type instanceof Timestamp) return new TimestampMillisecond(type.timezone);
  return type;
}

async function leaseOf(handle: Handle, { context, services }: Env): Promise<Lease<BoundStatement>> {
  const { principal } = await context.identity();
  const id = checkedHandle(handle.prepared_statement_handle, "prepared statement handle");
  const lease = services.statements.get(id, principal.key);
  context.hold(lease.owner);
  return lease;
}

/** Closing one that is closed, or went with its session, is no error: clients close late. */
export async function closePrepared(handle: Handle, { context, services }: Env): Promise<void> {
  const { principal } = await context.identity();
  const id = checkedHandle(handle.prepared_statement_handle, "prepared statement handle");
  const lease = services.statements.find(id, principal.key);
  if (lease) await services.statements.close(lease);
}

/** Binds the parameter sets for the executions to come; undefined: none. Resolves to the handle to go on with. */
export async function bindPrepared(handle: Handle, parameters: Parameters | undefined, env: Env): Promise<Handle> {
  const lease = await leaseOf(handle, env);
  lease.value.parameters = parameters;
  return { prepared_statement_handle: Buffer.from(lease.id) };
}

/**
 * The statement for one use, which the caller releases. A query is prepared anew for each use but the first, unless it is
 * constant: by then its tables may have other columns, and the schema that was told would not fit; and DuckDB keeps in its
 * plan what variables, settings, macros and views meant when it was made. Clients prepare without being asked to: Python's
 * go on with a handle as long as the text is the same.
 */
async function useStatement(lease: Lease<BoundStatement>, env: Env): Promise<SharedStatement> {
  const bound = lease.value;
  const { isUpdate, isConstant } = bound.statement.prepared.info;
  if (bound.isUsed && !isUpdate && !isConstant) {
    const anew = await prepareOn(await lease.owner.session(), { query: bound.sql }, env);
    if (env.services.statements.find(lease.id, lease.owner.owner) !== lease) return anew;
    const old = bound.statement;
    bound.statement = anew;
    await old.release();
  }
  bound.isUsed = true;
  return bound.statement.retain();
}

/** A handle outlives the transaction that it was prepared in: it runs in the session's current one, so none is named. */
const CURRENT_TRANSACTION = {};

export async function preparedInfo(handle: Handle, descriptor: FlightDescriptor, env: Env): Promise<FlightInfo> {
  const lease = await leaseOf(handle, env);
  const { parameters } = lease.value;
  const statement = await useStatement(lease, env);
  try {
    return await statementInfo(statement, parameters, CURRENT_TRANSACTION, descriptor, env);
  } finally {
    await statement.release();
  }
}

export async function preparedSchema(handle: Handle, env: Env): Promise<Uint8Array> {
  const { statement, parameters } = (await leaseOf(handle, env)).value;
  return await schemaOf(statement.prepared, parameters);
}

export async function* preparedFrames(handle: Handle, env: Env): AsyncGenerator<Frame> {
  const lease = await leaseOf(handle, env);
  const { parameters } = lease.value;
  const { signal } = env.context;
  const planned = new PlannedResult(await useStatement(lease, env), parameters, CURRENT_TRANSACTION);
  yield* framesOf(await planned.open(signal), signal);
}

/** Resolves to the sum of the counts of all parameter sets. */
export async function updatePrepared(handle: Handle, parameters: Parameters | undefined, env: Env): Promise<number> {
  const statement = await useStatement(await leaseOf(handle, env), env);
  const { signal } = env.context;
  try {
    return await countOf(await statement.prepared.execute(parameters, { ...CURRENT_TRANSACTION, signal }), signal);
  } finally {
    await statement.release();
  }
}
