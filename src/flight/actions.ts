import { EiderError } from "../errors.ts";
import { packAny, unpackAs } from "../wire/any.ts";
import { type Action, type ActionType, Flight, Sql, type TransactionId } from "../wire/messages.ts";
import { cancelFlightInfo, renewEndpoint } from "./cancel.ts";
import type { Polls } from "./poll.ts";
import { closePrepared, createPrepared } from "./prepared.ts";
import { checkedHandle } from "./result.ts";
import type { Env } from "./services.ts";
import { closeSession, getSessionOptions, setSessionOptions } from "./session-actions.ts";

interface ActionRow {
  readonly type: string;
  readonly description: string;
  /** Resolves to the one result's body; undefined: no result. */
  readonly run: (body: Uint8Array, env: Env, polls: Polls) => Promise<Uint8Array | undefined>;
}

/** ActionEndTransactionRequest.EndTransaction */
const END_ACTIONS: Readonly<Record<number, "commit" | "rollback">> = { 1: "commit", 2: "rollback" };

async function beginTransaction(_body: Uint8Array, { context }: Env): Promise<Uint8Array> {
  const id = await (await context.session()).beginTransaction();
  const result: TransactionId = { transaction_id: Buffer.from(id) };
  return packAny(Sql.ActionBeginTransactionResult, result);
}

async function endTransaction(body: Uint8Array, { context }: Env): Promise<undefined> {
  const request = unpackAs(Sql.ActionEndTransactionRequest, body);
  const action = END_ACTIONS[request.action ?? 0];
  if (!action)
    throw new EiderError(
      "request_invalid",
      "EndTransaction must say END_TRANSACTION_COMMIT or END_TRANSACTION_ROLLBACK",
    );
  const session = await context.session();
  await session.endTransaction(checkedHandle(request.transaction_id, "transaction id"), action);
}

const ACTIONS: readonly ActionRow[] = [
  {
    type: "CreatePreparedStatement",
    description: "Prepares a statement: ActionCreatePreparedStatementRequest, answered by its Result.",
    run: async (body, env) =>
      packAny(
        Sql.ActionCreatePreparedStatementResult,
        await createPrepared(unpackAs(Sql.ActionCreatePreparedStatementRequest, body), env),
      ),
  },
  {
    type: "ClosePreparedStatement",
    description: "Closes a prepared statement: ActionClosePreparedStatementRequest, no answer.",
    run: async (body, env) => {
      await closePrepared(unpackAs(Sql.ActionClosePreparedStatementRequest, body), env);
      return undefined;
    },
  },
  {
    type: "BeginTransaction",
    description: "Begins a transaction: ActionBeginTransactionRequest, answered by its Result.",
    run: beginTransaction,
  },
  {
    type: "EndTransaction",
    description: "Commits or rolls back a transaction: ActionEndTransactionRequest, no answer.",
    run: endTransaction,
  },
  {
    type: "CancelQuery",
    description:
      "Cancels a statement (superseded by CancelFlightInfo): ActionCancelQueryRequest, answered by its Result.",
    run: async (body, { context, services }, polls) => {
      const { info } = unpackAs(Sql.ActionCancelQueryRequest, body);
      const decoded = Flight.FlightInfo.decode(info ?? new Uint8Array(0));
      const result = await cancelFlightInfo(decoded, context, services, polls);
      return packAny(Sql.ActionCancelQueryResult, { result });
    },
  },
  {
    type: "CancelFlightInfo",
    description: "Cancels a statement by its FlightInfo: CancelFlightInfoRequest, answered by its Result.",
    run: async (body, { context, services }, polls) => {
      const { info } = Flight.CancelFlightInfoRequest.decode(body);
      return Flight.CancelFlightInfoResult.encode({
        status: await cancelFlightInfo(info ?? {}, context, services, polls),
      });
    },
  },
  {
    type: "RenewFlightEndpoint",
    description: "Lets a ticket live longer: RenewFlightEndpointRequest, answered by the FlightEndpoint.",
    run: async (body, { context, services }) => {
      const { endpoint } = Flight.RenewFlightEndpointRequest.decode(body);
      return Flight.FlightEndpoint.encode(await renewEndpoint(endpoint ?? {}, context, services));
    },
  },
  {
    type: "SetSessionOptions",
    description:
      "Sets options of the session (catalog, schema, settings): SetSessionOptionsRequest, answered by its Result.",
    run: setSessionOptions,
  },
  {
    type: "GetSessionOptions",
    description: "The options of the session: GetSessionOptionsRequest, answered by its Result.",
    run: getSessionOptions,
  },
  {
    type: "CloseSession",
    description: "Closes the session: CloseSessionRequest, answered by its Result.",
    run: closeSession,
  },
];

const BY_TYPE: ReadonlyMap<string, ActionRow> = new Map(ACTIONS.map((row) => [row.type, row]));

/** Of Flight SQL, and not here: DuckDB has no savepoints and takes no Substrait plans. */
const NOT_HERE: ReadonlySet<string> = new Set(["BeginSavepoint", "EndSavepoint", "CreatePreparedSubstraitPlan"]);

export async function doAction(action: Action, env: Env, polls: Polls): Promise<Uint8Array | undefined> {
  const type = action.type ?? "";
  const row = BY_TYPE.get(type);
  env.context.command = row || NOT_HERE.has(type) ? type : "unknown";
  const body = action.body ?? new Uint8Array(0);
  if (row) return await row.run(body, env, polls);
  const { principal } = await env.context.identity();
  const answer = await env.services.backend.action?.(principal, type, body);
  if (answer) return answer;
  throw new EiderError("not_implemented", `the action ${type || "without a type"} is not implemented`);
}

export function listActions(): ActionType[] {
  return ACTIONS.map(({ type, description }) => ({ type, description }));
}
