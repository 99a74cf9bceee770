import { EiderError } from "../errors.ts";
import { packAny } from "../wire/any.ts";
import { DESCRIPTOR_CMD, type FlightDescriptor, type FlightInfo, type PollInfo, Sql } from "../wire/messages.ts";
import { getFlightInfo } from "./commands.ts";
import type { CallContext } from "./context.ts";
import { timestampOf } from "./flight-info.ts";
import { type Lease, LeaseTable } from "./lease.ts";
import type { Limits } from "./limits.ts";
import type { Services } from "./services.ts";
import { type CancelOutcome, ticketId } from "./ticket.ts";

/** A GetFlightInfo that goes on between the calls that ask for it. */
interface Poll {
  readonly descriptor: FlightDescriptor;
  readonly context: CallContext;
  readonly info: Promise<FlightInfo>;
}

const COMPLETE = 1;

/**
 * PollFlightInfo: the work of GetFlightInfo in the background. Queries are complete with the first answer, because they
 * run when they are fetched; a statement without rows is complete when it has run.
 */
export class Polls {
  readonly #limits: Limits;
  readonly #polls: LeaseTable<Poll>;

  constructor(limits: Limits, now: () => number) {
    this.#limits = limits;
    this.#polls = new LeaseTable<Poll>({
      kind: "poll",
      limit: limits.maxTickets,
      limitName: "max_tickets",
      advice: `cancel some, or wait until those that nobody asks for are dropped, after ticket_seconds (${limits.ticketSeconds})`,
      ttlSeconds: limits.ticketSeconds,
      now,
      release: stop,
    });
  }

  /** Begins the work, or asks for work that a former answer's descriptor names; waits for it up to `poll_seconds`. */
  async poll(descriptor: FlightDescriptor, context: CallContext, services: Services): Promise<PollInfo> {
    const id = ticketId(descriptor.cmd ?? new Uint8Array(0));
    const lease = id === undefined ? await this.#begin(descriptor, context, services) : await this.#resume(id, context);
    const { info } = lease.value;
    try {
      const finished = await context.until(within(info, this.#limits.pollSeconds));
      if (!finished) return this.#running(lease);
      await this.#polls.close(lease);
      return { info: finished, progress: COMPLETE };
    } catch (error) {
      if (!canAskAgain(id, context)) await this.#polls.close(lease);
      throw error;
    }
  }

  /** Resolves when the work has stopped. */
  async cancel(id: string, owner: string): Promise<CancelOutcome> {
    const lease = this.#polls.find(id, owner);
    if (!lease) return "not_found";
    await this.#polls.close(lease);
    return "cancelled";
  }

  closeOwned(owner: Lease<unknown>["owner"]): Promise<void> {
    return this.#polls.closeOwned(owner);
  }

  expire(): Promise<void> {
    return this.#polls.expire();
  }

  async #begin(descriptor: FlightDescriptor, context: CallContext, services: Services): Promise<Lease<Poll>> {
    const background = await context.fork();
    const info = getFlightInfo(descriptor, { context: background, services });
    context.command = background.command;
    const released = info.finally(() => background.release());
    released.catch(() => undefined);
    const poll = { descriptor, context: background, info: released };
    try {
      return this.#polls.add(await context.record(), poll);
    } catch (error) {
      await stop(poll);
      throw error;
    }
  }

  async #resume(id: string, context: CallContext): Promise<Lease<Poll>> {
    const { principal } = await context.identity();
    const lease = this.#polls.get(id, principal.key);
    context.command = lease.value.context.command;
    this.#polls.renew(lease);
    return lease;
  }

  #running(lease: Lease<Poll>): PollInfo {
    const cmd = packAny(Sql.TicketStatementQuery, { statement_handle: Buffer.from(lease.id) });
    const { descriptor, context } = lease.value;
    const progress = context.progress();
    return {
      // app_metadata: by which CancelFlightInfo finds the work.
      info: { flight_descriptor: descriptor, total_records: -1, total_bytes: -1, app_metadata: cmd },
      flight_descriptor: { type: DESCRIPTOR_CMD, cmd },
      ...(progress === undefined ? {} : { progress }),
      expiration_time: timestampOf(lease.expiresAtMs),
    };
  }
}

/** A cancel is meant for the statement, a deadline for the one call; but who has no answer yet has nothing to ask for. */
function canAskAgain(id: string | undefined, { abortReason }: CallContext): boolean {
  return id !== undefined && abortReason?.code === "deadline_exceeded";
}

/** Harmless for work that has ended. */
async function stop(poll: Poll): Promise<void> {
  poll.context.abort(new EiderError("cancelled", "the statement was cancelled, or nobody polled for it in time"));
  await poll.info.catch(() => undefined);
}

async function within<T>(work: Promise<T>, seconds: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, seconds * 1000, undefined);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
