import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { type Authenticator, OPEN_AUTHENTICATOR } from "../access/authenticator.ts";
import type { TlsFiles } from "../access/tls.ts";
import { steadyNowMs } from "../base/steady-clock.ts";
import { EiderError } from "../errors.ts";
import { FLIGHT_PACKAGE } from "../wire/proto.ts";
import { adapt, type Handler } from "./adapter.ts";
import { Admission } from "./admission.ts";
import type { Backend } from "./backend.ts";
import { Connections } from "./connection.ts";
import { CallContext } from "./context.ts";
import { LeaseTable } from "./lease.ts";
import type { Limits } from "./limits.ts";
import { type Log, type Observer, SILENT_OBSERVER } from "./observer.ts";
import { Polls } from "./poll.ts";
import type { BoundStatement } from "./prepared.ts";
import { flightService } from "./service.ts";
import type { ServerInfo } from "./services.ts";
import { SessionTable } from "./session.ts";
import { Tickets } from "./ticket.ts";
import { ReloadingCredentials } from "./tls.ts";

export interface FlightServerOptions {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  readonly backend: Backend;
  readonly info: ServerInfo;
  readonly log: Log;
  readonly limits: Limits;
  readonly observer?: Observer;
  /** Default: authentication is off. */
  readonly authenticator?: Authenticator;
  /** Default: no TLS. */
  readonly tls?: TlsFiles | undefined;
}

export type LimitUse = Readonly<Record<string, number>>;

const SERVICE = `${FLIGHT_PACKAGE}.FlightService`;

/** The services that the health check knows: the server as a whole, and Flight. */
const HEALTH_NAMES = ["", SERVICE];

/** Load balancers drop connections that are silent for 4 minutes (Azure) or 350 s (AWS); a lost client is found out too. */
const KEEPALIVE_MS = 60_000;
const KEEPALIVE_TIMEOUT_MS = 20_000;

/** How often expired sessions, tickets and polls are looked for. */
const SWEEP_MS = 1000;

/** The Flight SQL server: owns the port, the sessions and all that clients hold; the backend is the caller's. */
export class FlightServer implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;
  readonly #health: HealthImplementation;
  readonly #admission: Admission;
  readonly #sessions: SessionTable;
  readonly #used: () => LimitUse;
  readonly #sweeper: NodeJS.Timeout;
  #closing: Promise<void> | undefined;

  private constructor(
    port: number,
    parts: {
      server: Server;
      health: HealthImplementation;
      admission: Admission;
      sessions: SessionTable;
      used: () => LimitUse;
      sweep: () => void;
    },
  ) {
    this.port = port;
    this.#server = parts.server;
    this.#health = parts.health;
    this.#admission = parts.admission;
    this.#sessions = parts.sessions;
    this.#used = parts.used;
    this.#sweeper = setInterval(parts.sweep, SWEEP_MS).unref();
  }

  /** Resolves when the port accepts connections; rejects with `config_invalid` when it cannot be had. */
  static async listen(options: FlightServerOptions): Promise<FlightServer> {
    const { backend, log, info, limits, observer = SILENT_OBSERVER, authenticator = OPEN_AUTHENTICATOR } = options;
    const now = steadyNowMs;
    const tickets = new Tickets(limits, now);
    const polls = new Polls(limits, now);
    const statements = new LeaseTable<BoundStatement>({
      kind: "prepared statement",
      limit: limits.maxPreparedStatements,
      limitName: "max_prepared_statements",
      advice: "close some, or the sessions that hold them",
      ttlSeconds: Number.POSITIVE_INFINITY,
      now,
      release: (bound) => bound.statement.release(),
    });
    const held = [tickets, polls, statements];
    const sessions = new SessionTable({
      backend,
      limits,
      observer,
      log,
      now,
      release: async (record) => void (await Promise.all(held.map((table) => table.closeOwned(record)))),
    });
    const connections = new Connections((connection) => sessions.detach(connection));
    const admission = new Admission(limits, observer);
    const service = flightService({
      services: { backend, limits, info, sessions, tickets, statements },
      polls,
      authenticator,
    });
    const server = new Server({
      // Checked against the length that a message announces, before any of it is kept.
      "grpc.max_receive_message_length": limits.maxMessageBytes,
      "grpc.max_send_message_length": -1,
      "grpc.keepalive_time_ms": KEEPALIVE_MS,
      "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
      "grpc.enable_channelz": 0,
    });
    const adapterOptions = {
      gate: admission,
      observer,
      log,
      maxMessageBytes: limits.maxMessageBytes,
      idleSeconds: limits.statementIdleSeconds,
      openContext: (method: string, call: Parameters<Connections["of"]>[0] & { metadata: CallContext["metadata"] }) =>
        new CallContext({
          method,
          metadata: call.metadata,
          connection: connections.of(call),
          sessions,
          authenticator,
          now,
        }),
    };
    server.addService(definitionOf(service), implement(service, adapterOptions));
    const health = new HealthImplementation(Object.fromEntries(HEALTH_NAMES.map((name) => [name, "SERVING"])));
    health.addToServer(server);
    const sweep = () => {
      sessions.expire();
      for (const table of held) {
        table.expire().catch((error: unknown) => log.error({ err: error }, "closing what has expired failed"));
      }
    };
    const port = await bind(server, options);
    const used = () => ({
      max_sessions: sessions.size,
      max_streams_in_flight: admission.streams,
      max_tickets: tickets.size,
      max_prepared_statements: statements.size,
    });
    return new FlightServer(port, { server, health, admission, sessions, used, sweep });
  }

  /** How many there are of what is counted, by the name of the limit. */
  get used(): LimitUse {
    return this.#used();
  }

  /** Says NOT_SERVING, refuses new calls, and resolves when those in flight have ended; aborted after `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    for (const name of HEALTH_NAMES) this.#health.setStatus(name, "NOT_SERVING");
    await this.#admission.drain(graceMs);
  }

  /** Aborts the calls in flight (drain first to spare them), then closes connections and sessions. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#sweeper);
    await this.drain(0);
    this.#server.forceShutdown();
    await this.#sessions[Symbol.asyncDispose]();
  }
}

function implement(
  service: Readonly<Record<string, Handler>>,
  options: Parameters<typeof adapt>[2],
): UntypedServiceImplementation {
  return Object.fromEntries(
    Object.entries(service).map(([method, handler]) => [method, adapt(method, handler, options)]),
  );
}

/** Messages pass as bytes: the methods decode them, so that a malformed one is the client's error and not an internal one. */
function definitionOf(service: Readonly<Record<string, Handler>>): ServiceDefinition {
  const asIs = (bytes: Buffer) => bytes;
  return Object.fromEntries(
    Object.keys(service).map((method) => [
      method,
      {
        path: `/${SERVICE}/${method}`,
        requestStream: true,
        responseStream: true,
        requestSerialize: asIs,
        requestDeserialize: asIs,
        responseSerialize: asIs,
        responseDeserialize: asIs,
      },
    ]),
  );
}

async function bind(server: Server, options: FlightServerOptions): Promise<number> {
  const { host, port } = options;
  const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  return await new Promise((resolve, reject) => {
    server.bindAsync(
      address,
      options.tls ? new ReloadingCredentials(options.tls) : ServerCredentials.createInsecure(),
      (error, bound) => {
        if (error)
          reject(new EiderError("config_invalid", `cannot listen on ${address}: ${error.message}`, { cause: error }));
        else resolve(bound);
      },
    );
  });
}
