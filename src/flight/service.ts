import { setTimeout as sleep } from "node:timers/promises";
import type { Authenticator } from "../access/authenticator.ts";
import { EiderError } from "../errors.ts";
import { encodeFlightData } from "../wire/flight-data.ts";
import { Flight } from "../wire/messages.ts";
import type { Codec } from "../wire/proto.ts";
import { doAction, listActions } from "./actions.ts";
import type { Handler } from "./adapter.ts";
import { doGet, doPut, getFlightInfo, getSchema } from "./commands.ts";
import { schemaBytes } from "./flight-info.ts";
import { handshake } from "./handshake.ts";
import { listFlights } from "./list.ts";
import type { Polls } from "./poll.ts";
import { PutMessages } from "./put-messages.ts";
import type { Env, Services } from "./services.ts";

export interface ServiceOptions {
  readonly services: Services;
  readonly polls: Polls;
  readonly authenticator: Authenticator;
}

type OneRequest<T> = (request: T, env: Env) => AsyncIterable<Uint8Array>;

/** Of a client that is refused and says nothing. */
const PATIENCE_MS = 10_000;

/**
 * Throws what `identity` does, once the client's first message is there: Go's gRPC tells a client that sends on a call that
 * has ended "EOF", and its Flight client looks for no other reason.
 */
async function heard(identity: Promise<unknown>, opening: Promise<unknown>): Promise<void> {
  const opened = opening.catch(() => undefined);
  try {
    await identity;
  } catch (error) {
    const patience = new AbortController();
    await Promise.race([opened, sleep(PATIENCE_MS, undefined, { signal: patience.signal }).catch(() => undefined)]);
    patience.abort();
    throw error;
  }
}

/** The methods of FlightService: decode, call, encode. */
export function flightService({ services, polls, authenticator }: ServiceOptions): Readonly<Record<string, Handler>> {
  /** A method with one request message. */
  const one = <T>(codec: Codec<T>, run: OneRequest<T>): Handler =>
    async function* (requests, context) {
      await context.identity();
      const bytes = await firstOf(requests);
      if (!bytes) throw new EiderError("request_invalid", `the call has no ${codec.name} message`);
      yield* run(codec.decode(bytes), { context, services });
    };

  return {
    Handshake: (requests, context) => handshake(requests, context, services.sessions, authenticator),
    ListFlights: one(Flight.Criteria, async function* (criteria, { context }) {
      const { principal } = await context.identity();
      for await (const info of listFlights(criteria, services, principal)) yield Flight.FlightInfo.encode(info);
    }),
    GetFlightInfo: one(Flight.FlightDescriptor, async function* (descriptor, env) {
      yield Flight.FlightInfo.encode(await getFlightInfo(descriptor, env));
    }),
    PollFlightInfo: one(Flight.FlightDescriptor, async function* (descriptor, { context }) {
      yield Flight.PollInfo.encode(await polls.poll(descriptor, context, services));
    }),
    GetSchema: one(Flight.FlightDescriptor, async function* (descriptor, env) {
      yield Flight.SchemaResult.encode({ schema: schemaBytes(await getSchema(descriptor, env)) });
    }),
    DoGet: one(Flight.Ticket, async function* (ticket, env) {
      for await (const frame of doGet(ticket.ticket ?? new Uint8Array(0), env)) yield encodeFlightData(frame);
    }),
    DoPut: async function* (requests, context) {
      const opening = PutMessages.open(requests);
      await heard(context.identity(), opening);
      const { descriptor, messages } = await opening;
      const results = doPut(Flight.FlightDescriptor.decode(descriptor), messages, { context, services });
      for await (const app_metadata of results) yield Flight.PutResult.encode({ app_metadata });
    },
    // biome-ignore lint/correctness/useYield: it has nothing to answer
    DoExchange: async function* (_requests, context) {
      await context.identity();
      throw new EiderError("not_implemented", "DoExchange is not implemented: use DoGet and DoPut");
    },
    DoAction: one(Flight.Action, async function* (action, env) {
      const body = await doAction(action, env, polls);
      if (body) yield Flight.Result.encode({ body });
    }),
    ListActions: one(Flight.Empty, async function* () {
      for (const type of listActions()) yield Flight.ActionType.encode(type);
    }),
  };
}

async function firstOf<T>(items: AsyncIterable<T>): Promise<T | undefined> {
  for await (const item of items) return item;
  return undefined;
}
