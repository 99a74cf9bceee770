import { EiderError } from "../errors.ts";
import type { FlightEndpoint, FlightInfo } from "../wire/messages.ts";
import type { CallContext } from "./context.ts";
import type { Polls } from "./poll.ts";
import type { Services } from "./services.ts";
import { ticketId } from "./ticket.ts";

/** CancelStatus, and ActionCancelQueryResult's CancelResult, which has the same numbers. */
const CANCELLED = 1;
const NOT_CANCELLABLE = 3;

/**
 * Finds the work by the info's tickets, or by the poll that the info belongs to; never "what the session is running". An
 * info without either is of a statement that has run, or of a metadata command. Resolves to a CancelStatus when the work
 * has stopped; throws `not_found` when it is not known, or over.
 */
export async function cancelFlightInfo(
  info: FlightInfo,
  context: CallContext,
  services: Services,
  polls: Polls,
): Promise<number> {
  const { principal } = await context.identity();
  const ids = (info.endpoint ?? []).flatMap((endpoint) => idOf(endpoint) ?? []);
  const pollId = ticketId(info.app_metadata ?? new Uint8Array(0));
  if (ids.length === 0 && pollId === undefined) return NOT_CANCELLABLE;
  const outcomes = await Promise.all(ids.map((id) => services.tickets.cancel(id, principal.key)));
  if (pollId !== undefined) outcomes.push(await polls.cancel(pollId, principal.key));
  if (outcomes.includes("cancelled")) return CANCELLED;
  throw new EiderError("not_found", "no such statement: it has ended, was cancelled, or has expired");
}

function idOf(endpoint: FlightEndpoint): string | undefined {
  return ticketId(endpoint.ticket?.ticket ?? new Uint8Array(0));
}

/**
 * Lets the endpoint's ticket live on for the whole of `ticket_seconds` again. The endpoint says until when, if it did
 * before. Throws `not_found`.
 */
export async function renewEndpoint(
  endpoint: FlightEndpoint,
  context: CallContext,
  services: Services,
): Promise<FlightEndpoint> {
  const { principal } = await context.identity();
  const id = idOf(endpoint);
  // Other tickets are the command itself, and do not expire.
  return id === undefined ? endpoint : services.tickets.renew(id, principal.key);
}
