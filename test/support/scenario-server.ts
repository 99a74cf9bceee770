import { loadConfig } from "../../src/config/load.ts";
import type { Limits } from "../../src/flight/limits.ts";
import { FlightServer, type FlightServerOptions } from "../../src/flight/server.ts";
import { FlightTestClient } from "./flight-client.ts";
import { ScenarioBackend, type ScenarioSession } from "./scenario-backend.ts";

export interface LogLine {
  readonly level: string;
  readonly fields: object;
  readonly message: string;
}

export interface SeenCall {
  readonly method: string;
  readonly command: string;
  readonly code: string;
}

export interface ScenarioServerOptions extends Partial<FlightServerOptions> {
  readonly SessionType?: typeof ScenarioSession;
}

const DEFAULTS = loadConfig({ flags: { values: {}, unknown: [] }, env: {}, cwd: "/" }).config;

/** A Flight server on a scenario backend, its log and metrics kept to be looked at. */
export class ScenarioServer implements AsyncDisposable {
  readonly backend: ScenarioBackend;
  readonly flight: FlightServer;
  readonly lines: LogLine[];
  readonly calls: SeenCall[];
  readonly inFlight: Map<string, number>;
  /** The limits that calls were refused by. */
  readonly refused: string[];
  readonly leftAlone: string[];
  readonly #clients: FlightTestClient[] = [];

  private constructor(
    backend: ScenarioBackend,
    flight: FlightServer,
    seen: {
      lines: LogLine[];
      calls: SeenCall[];
      inFlight: Map<string, number>;
      refused: string[];
      leftAlone: string[];
    },
  ) {
    this.backend = backend;
    this.flight = flight;
    this.lines = seen.lines;
    this.calls = seen.calls;
    this.inFlight = seen.inFlight;
    this.refused = seen.refused;
    this.leftAlone = seen.leftAlone;
  }

  static async open(limits: Partial<Limits> = {}, options: ScenarioServerOptions = {}): Promise<ScenarioServer> {
    const backend = await ScenarioBackend.open(options.SessionType);
    const lines: LogLine[] = [];
    const calls: SeenCall[] = [];
    const inFlight = new Map<string, number>();
    const refused: string[] = [];
    const leftAlone: string[] = [];
    const at = (level: string) => (fields: object, message: string) => void lines.push({ level, fields, message });
    const flight = await FlightServer.listen({
      host: "127.0.0.1",
      port: 0,
      backend,
      info: {
        name: "eider",
        version: "0.0.1 (duckdb v1.5.5)",
        arrowVersion: "21.2.0",
        readOnly: false,
        statementTimeoutMs: 0,
      },
      log: { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") },
      limits: { ...DEFAULTS, ...limits },
      observer: {
        request: (method, command, code) => void calls.push({ method, command, code }),
        inFlight: (method, count) => void inFlight.set(method, count),
        sessions: () => undefined,
        refused: (limit) => void refused.push(limit),
        leftAlone: (what) => void leftAlone.push(what),
      },
      ...options,
    });
    return new ScenarioServer(backend, flight, { lines, calls, inFlight, refused, leftAlone });
  }

  /** A client with a connection of its own, closed with the server. */
  client(headers: Readonly<Record<string, string>> = {}, userAgent?: string): FlightTestClient {
    const client = new FlightTestClient(this.flight.port, headers, userAgent);
    this.#clients.push(client);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client[Symbol.dispose]();
    await this.flight[Symbol.asyncDispose]();
    await this.backend[Symbol.asyncDispose]();
  }
}
