import { EiderError } from "../errors.ts";
import { packAny, unpackAny } from "../wire/any.ts";
import { type FlightEndpoint, Sql } from "../wire/messages.ts";
import type { Frame } from "./backend.ts";
import type { CallContext } from "./context.ts";
import { endpointOf, timestampOf } from "./flight-info.ts";
import { type Lease, LeaseTable } from "./lease.ts";
import type { Limits } from "./limits.ts";
import { checkedHandle, framesOf, type PendingResult } from "./result.ts";
import type { SessionRecord } from "./session.ts";

interface RunningResult {
  readonly owner: string;
  readonly context: CallContext;
  /** Resolves when its stream has ended and its rows are closed. */
  readonly ended: Promise<void>;
}

export type CancelOutcome = "cancelled" | "not_found";

/**
 * Tickets of results: each is redeemed once, or, if its result can be repeated, until it expires, by any connection of
 * the principal. Until a result's stream has ended its ticket's id also names it, for CancelFlightInfo.
 */
export class Tickets {
  readonly #waiting: LeaseTable<PendingResult>;
  readonly #running = new Map<string, Set<RunningResult>>();

  constructor(limits: Limits, now: () => number) {
    this.#waiting = new LeaseTable<PendingResult>({
      kind: "ticket",
      limit: limits.maxTickets,
      limitName: "max_tickets",
      advice: `fetch or cancel some, or wait until they are dropped, ticket_seconds (${limits.ticketSeconds}) after they were given`,
      ttlSeconds: limits.ticketSeconds,
      now,
      release: (result) => result.discard(),
    });
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Takes over the result, also when it throws `limit_exceeded`. */
  async issue(owner: SessionRecord, result: PendingResult): Promise<FlightEndpoint> {
    try {
      return endpointFor(this.#waiting.add(owner, result));
    } catch (error) {
      await result.discard();
      throw error;
    }
  }

  async *redeem(id: string, context: CallContext): AsyncGenerator<Frame> {
    const owner = (await context.identity()).principal.key;
    const lease = this.#waiting.get(id, owner);
    context.hold(lease.owner);
    const result = lease.value.repeat?.() ?? this.#waiting.take(id, owner).value;
    let end: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const running = { owner, context, ended };
    const all = this.#running.get(id) ?? new Set();
    this.#running.set(id, all.add(running));
    try {
      yield* framesOf(await result.open(context.signal), context.signal);
    } finally {
      all.delete(running);
      if (all.size === 0) this.#running.delete(id);
      end();
    }
  }

  /** Resolves when nothing of the result is left. */
  async cancel(id: string, owner: string): Promise<CancelOutcome> {
    const waiting = this.#waiting.find(id, owner);
    if (waiting) await this.#waiting.close(waiting);
    const running = [...(this.#running.get(id) ?? [])].filter((result) => result.owner === owner);
    for (const { context } of running) {
      context.abort(new EiderError("cancelled", "the statement was cancelled by CancelFlightInfo"));
    }
    await Promise.all(running.map(({ ended }) => ended));
    return waiting || running.length > 0 ? "cancelled" : "not_found";
  }

  /** Throws `not_found`. */
  renew(id: string, owner: string): FlightEndpoint {
    const lease = this.#waiting.get(id, owner);
    this.#waiting.renew(lease);
    return endpointFor(lease);
  }

  closeOwned(owner: SessionRecord): Promise<void> {
    return this.#waiting.closeOwned(owner);
  }

  expire(): Promise<void> {
    return this.#waiting.expire();
  }
}

/** With a time of expiry, by which clients know that they may fetch again, only where that is so. */
function endpointFor({ id, value, expiresAtMs }: Lease<PendingResult>): FlightEndpoint {
  const endpoint = endpointOf(packAny(Sql.TicketStatementQuery, { statement_handle: Buffer.from(id) }));
  return value.repeat ? { ...endpoint, expiration_time: timestampOf(expiresAtMs) } : endpoint;
}

/** The id inside a result's ticket; undefined when the ticket is another one, a metadata command for example. */
export function ticketId(ticket: Uint8Array): string | undefined {
  const packed = unpackAny(ticket);
  if (packed?.name !== Sql.TicketStatementQuery.name) return undefined;
  return checkedHandle(Sql.TicketStatementQuery.decode(packed.value).statement_handle, "statement handle");
}
