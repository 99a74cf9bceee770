import { type FastifyError, type FastifyInstance, type FastifyReply, fastify } from "fastify";
import { type Authenticator, OPEN_AUTHENTICATOR } from "../access/authenticator.ts";
import type { TlsFiles } from "../access/tls.ts";
import { EiderError, messageOf } from "../errors.ts";
import type { Logger } from "../observe/log.ts";
import { type Metrics, observeMs } from "../observe/metrics.ts";
import type { Traces } from "../observe/traces.ts";
import { followCertificate, httpsOptions, requireAccess } from "./access.ts";
import { errorBody } from "./error-body.ts";
import { refuseOtherNames } from "./names.ts";
import { type Access, parseBody, type Route } from "./route.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** The route's row; undefined on routes that do not exist. */
    readonly access?: Access;
  }
}

/** The HTTP side: serves a table of routes. Whoever opens the server closes it. */
export interface HttpOptions {
  readonly host: string;
  /** Only this machine reaches `host`. Default: others do, too. */
  readonly isLoopback?: boolean;
  /** 0 takes a free one. */
  readonly port: number;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly traces?: Traces | undefined;
  readonly routes: readonly Route[];
  /** Default: authentication is off. */
  readonly authenticator?: Authenticator;
  /** Default: no TLS. */
  readonly tls?: TlsFiles | undefined;
}

const BODY_LIMIT_BYTES = 1 << 20;

export class HttpServer implements AsyncDisposable {
  readonly #app: FastifyInstance;
  readonly port: number;

  private constructor(app: FastifyInstance, port: number) {
    this.#app = app;
    this.port = port;
  }

  /** Rejects with `config_invalid` when the address cannot be listened on. */
  static async open(options: HttpOptions): Promise<HttpServer> {
    const app = fastify({
      ...httpsOptions(options.tls),
      logger: false,
      bodyLimit: BODY_LIMIT_BYTES,
      forceCloseConnections: true,
      // Of addresses that no route is looked up for.
      frameworkErrors: (error, _request, reply) => sendError(reply, fromFastify(error)),
    });
    followCertificate(app.server, options.tls);
    const authenticator = options.authenticator ?? OPEN_AUTHENTICATOR;
    if (options.isLoopback && !authenticator.isOn) refuseOtherNames(app);
    requireAccess(app, authenticator);
    takeJsonBodies(app);
    countAndLog(app, options);
    answerErrors(app, options.log);
    addRoutes(app, options.routes);
    try {
      await app.listen({ host: options.host, port: options.port });
    } catch (error) {
      await app.close();
      throw new EiderError(
        "config_invalid",
        `HTTP cannot listen on ${options.host}:${options.port}: ${messageOf(error)}; choose another http_port`,
        { cause: error },
      );
    }
    const address = app.server.address();
    return new HttpServer(app, typeof address === "object" && address !== null ? address.port : options.port);
  }

  /** Answers the requests that run, then closes every connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#app.close();
  }
}

function addRoutes(app: FastifyInstance, routes: readonly Route[]): void {
  for (const { method, path, access, body, handle } of routes) {
    app.route({
      method,
      url: path,
      config: { access },
      handler: (request, reply) => handle(request, reply, body && parseBody(body, request.body ?? undefined)),
    });
  }
}

/** Bodies are JSON whatever the content type says, and may be missing: curl sends neither by itself. */
function takeJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  // Fastify refuses types that it cannot read, and QUERY without one, before any parser or route is asked.
  app.addHook("onRequest", async ({ raw }) => {
    raw.headers["content-type"] = "application/json";
  });
  app.addContentTypeParser("*", { parseAs: "buffer" }, ({ headers }, body, done) => {
    const encoding = headers["content-encoding"] ?? "identity";
    if (encoding !== "identity") {
      return done(new EiderError("request_invalid", `send the body as it is, without Content-Encoding: ${encoding}`));
    }
    try {
      const text = textOf(body);
      done(null, text.trim() === "" ? undefined : JSON.parse(text));
    } catch (error) {
      done(new EiderError("request_invalid", `the body is not JSON: ${messageOf(error)}`));
    }
  });
}

/** Without a byte order mark. Throws on what is no UTF-8: replacing it would change what the SQL asks for. */
function textOf(body: string | Buffer): string {
  return typeof body === "string" ? body : new TextDecoder("utf-8", { fatal: true }).decode(body);
}

function countAndLog(app: FastifyInstance, { log, metrics, traces }: HttpOptions): void {
  app.addHook("onResponse", async (request, reply) => {
    // The route's pattern, never the URL: it would be an open label.
    const route = request.routeOptions.url ?? "none";
    metrics.httpRequests.inc({ route, code: String(reply.statusCode) });
    observeMs(metrics.httpDuration, reply.elapsedTime, { route });
    const { traceparent } = request.headers;
    traces?.requested({
      method: request.method,
      route: request.routeOptions.url,
      status: reply.statusCode,
      durationMs: reply.elapsedTime,
      parent: typeof traceparent === "string" ? traceparent : undefined,
    });
    const durationMs = Math.round(reply.elapsedTime);
    log.debug({ method: request.method, url: request.url, status: reply.statusCode, durationMs }, "http request");
  });
}

function answerErrors(app: FastifyInstance, log: Logger): void {
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split("?", 1)[0] ?? "";
    const allowed = app.supportedMethods.filter((method) => app.hasRoute({ url: path, method }));
    if (allowed.length === 0)
      return sendError(reply, new EiderError("not_found", `no such route: ${request.method} ${request.url}`));
    reply.header("Allow", allowed.join(", "));
    const text = `${path} takes ${allowed.join(" and ")}, not ${request.method}`;
    return sendError(reply, new EiderError("method_not_allowed", text));
  });
  app.setErrorHandler((error: FastifyError | EiderError, request, reply) => {
    const known = error instanceof EiderError ? error : fromFastify(error);
    log[known.row.level]({ err: error, method: request.method, url: request.url }, "http request failed");
    return sendError(reply, known);
  });
}

function fromFastify(error: FastifyError): EiderError {
  if (error.statusCode === 413) {
    return new EiderError(
      "too_large",
      `the body is larger than ${BODY_LIMIT_BYTES} bytes: send longer SQL by Flight, as \`eider query\` does`,
      { cause: error },
    );
  }
  if (error.statusCode !== undefined && error.statusCode < 500) {
    return new EiderError("request_invalid", error.message, { cause: error });
  }
  return new EiderError("internal", "internal error; the server's log has it", { cause: error });
}

function sendError(reply: FastifyReply, error: EiderError): FastifyReply {
  return reply
    .code(error.row.http)
    .type("application/json")
    .send({ error: errorBody(error) });
}
