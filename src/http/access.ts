import type { Server } from "node:http";
import type { TLSSocket } from "node:tls";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Authenticator } from "../access/authenticator.ts";
import { NO_CREDENTIALS, type Peer, parseAuthorization } from "../access/credentials.ts";
import { type Principal, requireRole, requireRoleAnywhere } from "../access/principal.ts";
import type { TlsFiles } from "../access/tls.ts";
import { EiderError } from "../errors.ts";
import type { Access } from "./route.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Who calls; undefined on open routes. */
    principal: Principal | undefined;
  }
}

/** Asked for on a 401: browsers prompt for Basic. */
const CHALLENGE = 'Basic realm="eider", charset="UTF-8", Bearer realm="eider"';

/** Every route but the open ones asks who calls, before the body is read. */
export function requireAccess(app: FastifyInstance, authenticator: Authenticator): void {
  app.decorateRequest("principal", undefined);
  app.addHook("onRequest", async (request, reply) => {
    refuseOtherSites(request);
    const { access } = request.routeOptions.config;
    if (access === "open" || (access === undefined && !authenticator.isOn)) return;
    try {
      request.principal = await authenticator.authenticate(credentialsOf(request), peerOf(request));
    } catch (error) {
      if (error instanceof EiderError && error.code === "unauthenticated") reply.header("www-authenticate", CHALLENGE);
      throw error;
    }
    requireAccessRole(
      request.principal,
      access ?? "read",
      `${request.method} ${request.routeOptions.url ?? "of this path"}`,
    );
  });
}

function requireAccessRole(principal: Principal, access: Exclude<Access, "open">, what: string): void {
  if (access === "read") requireRoleAnywhere(principal, "read", what);
  else requireRole(principal, access, undefined, what);
}

/** A browser adds what it knows of the user to a form that another site makes it send. */
function refuseOtherSites({ method, headers }: FastifyRequest): void {
  if (method === "GET" || headers["sec-fetch-site"] !== "cross-site") return;
  throw new EiderError("forbidden", "a page of another site may not send this");
}

function credentialsOf({ headers }: FastifyRequest) {
  return headers.authorization === undefined ? NO_CREDENTIALS : parseAuthorization(headers.authorization);
}

/** A certificate counts only when TLS has verified it: none is demanded over HTTP, so that any may be shown. */
function peerOf({ ip, socket }: FastifyRequest): Peer {
  const tls = socket as Partial<TLSSocket>;
  const name: unknown = tls.encrypted && tls.authorized ? tls.getPeerCertificate?.().subject?.CN : undefined;
  return { address: ip, certificateName: typeof name === "string" ? name : undefined };
}

/** Options of the server: HTTPS with the certificate as it is now. */
export function httpsOptions(tls: TlsFiles | undefined): object {
  if (!tls) return {};
  const requestCert = tls.settings.clientCaFile !== "";
  return { https: { ...tls.context, requestCert, rejectUnauthorized: false } };
}

/** Connections from now on use the certificate that was read last. */
export function followCertificate(server: Server, tls: TlsFiles | undefined): void {
  tls?.onChange((context) => {
    if ("setSecureContext" in server)
      (server as unknown as { setSecureContext(c: object): void }).setSecureContext(context);
  });
}
