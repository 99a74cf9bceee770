import { EiderError } from "../errors.ts";
import { Flight, type SessionOptionMessage } from "../wire/messages.ts";
import type { SessionOptionValue } from "./backend.ts";
import { clearSessionCookie } from "./identity.ts";
import type { Env } from "./services.ts";

/** SetSessionOptionsResult.ErrorValue */
const ERROR_VALUES = { invalid_name: 1, invalid_value: 2, error: 3 } as const;

/** CloseSessionResult.Status */
const CLOSED = 1;

/** Undefined: no member is set, which asks for the option to be erased. */
function optionOf(message: SessionOptionMessage): SessionOptionValue | undefined {
  if (message.string_list_value) return message.string_list_value.values ?? [];
  if (message.int64_value !== undefined) return BigInt(message.int64_value);
  return message.string_value ?? message.bool_value ?? message.double_value;
}

function optionMessage(value: SessionOptionValue): SessionOptionMessage {
  if (typeof value === "string") return { string_value: value };
  if (typeof value === "boolean") return { bool_value: value };
  if (typeof value === "bigint") return { int64_value: value.toString() };
  if (typeof value === "number") return { double_value: value };
  return { string_list_value: { values: value } };
}

export async function setSessionOptions(body: Uint8Array, { context }: Env): Promise<Uint8Array> {
  const { session_options = {} } = Flight.SetSessionOptionsRequest.decode(body);
  const options: Record<string, SessionOptionValue | undefined> = {};
  for (const [name, message] of Object.entries(session_options)) options[name] = optionOf(message);
  const refused = await (await context.session()).setOptions(options);
  const errors: Record<string, { value: number }> = {};
  for (const [name, why] of Object.entries(refused)) errors[name] = { value: ERROR_VALUES[why] };
  return Flight.SetSessionOptionsResult.encode({ errors });
}

/** Asking must not begin a session; where there is none, no option is set. */
export async function getSessionOptions(_body: Uint8Array, env: Env): Promise<Uint8Array> {
  const { record } = await env.context.identity();
  if (!record) return Flight.GetSessionOptionsResult.encode({ session_options: {} });
  const options = await (await env.context.session()).getOptions();
  const session_options: Record<string, SessionOptionMessage> = {};
  for (const [name, value] of Object.entries(options)) session_options[name] = optionMessage(value);
  return Flight.GetSessionOptionsResult.encode({ session_options });
}

/** Answers when the session is closed: its transaction rolled back, its statements stopped. */
export async function closeSession(_body: Uint8Array, env: Env): Promise<Uint8Array> {
  const { record } = await env.context.identity();
  if (!record) throw new EiderError("not_found", "there is no session yet: the first statement or option begins it");
  clearSessionCookie(env.context.headers);
  await env.services.sessions.close(record, "the client closed it");
  return Flight.CloseSessionResult.encode({ status: CLOSED });
}
