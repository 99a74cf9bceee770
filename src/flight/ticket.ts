import { EiderError } from "../errors.ts";
import { packAny, unpackAny } from "../wire/any.ts";
import { Sql } from "../wire/messages.ts";
import type { Frame } from "./backend.ts";
import type { CallContext } from "./context.ts";
import { LeaseTable } from "./lease.ts";
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
 * Tickets of results: each is redeemed once, by any connection of the principal. Until its stream has ended its id also
 * names the running result, for CancelFlightInfo.
 */
export class Tickets {
  readonly #waiting: LeaseTable<PendingResult>;
  readonly #running = new Map<string, RunningResult>();

  constructor(limits: Limits, now: () => number) {
    this.#waiting = new LeaseTable<PendingResult>({
      kind: "ticket",
      limit: limits.maxTickets,
      limitName: "max_tickets",
      ttlSeconds: limits.ticketSeconds,
      now,
      release: (result) => result.discard(),
    });
  }

  /** The ticket's bytes. Takes over the result, also when it throws `limit_exceeded`. */
  async issue(owner: SessionRecord, result: PendingResult): Promise<Buffer> {
    try {
      const { id } = this.#waiting.add(owner, result);
      return packAny(Sql.TicketStatementQuery, { statement_handle: Buffer.from(id) });
    } catch (error) {
      await result.discard();
      throw error;
    }
  }

  async *redeem(id: string, context: CallContext): AsyncGenerator<Frame> {
    const owner = (await context.identity()).principal.key;
    context.hold(this.#waiting.get(id, owner).owner);
    const { value } = this.#waiting.take(id, owner);
    let end: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#running.set(id, { owner, context, ended });
    try {
      yield* framesOf(await value.open(context.signal), context.signal);
    } finally {
      this.#running.delete(id);
      end();
    }
  }

  /** Resolves when nothing of the result is left. */
  async cancel(id: string, owner: string): Promise<CancelOutcome> {
    const waiting = this.#waiting.find(id, owner);
    if (waiting) {
      await this.#waiting.close(waiting);
      return "cancelled";
    }
    const running = this.#running.get(id);
    if (running?.owner !== owner) return "not_found";
    running.context.abort(new EiderError("cancelled", "the statement was cancelled by CancelFlightInfo"));
    await running.ended;
    return "cancelled";
  }

  /** Throws `not_found`. Returns when the ticket expires, in milliseconds since 1970. */
  renew(id: string, owner: string): number {
    const lease = this.#waiting.get(id, owner);
    this.#waiting.renew(lease);
    return lease.expiresAtMs;
  }

  closeOwned(owner: SessionRecord): Promise<void> {
    return this.#waiting.closeOwned(owner);
  }

  expire(): Promise<void> {
    return this.#waiting.expire();
  }
}

/** The id inside a result's ticket; undefined when the ticket is another one, a metadata command for example. */
export function ticketId(ticket: Uint8Array): string | undefined {
  const packed = unpackAny(ticket);
  if (packed?.name !== Sql.TicketStatementQuery.name) return undefined;
  return checkedHandle(Sql.TicketStatementQuery.decode(packed.value).statement_handle, "statement handle");
}
