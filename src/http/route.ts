import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { EiderError } from "../errors.ts";

/** Who may call a route: anybody (`open`), whoever may read data, whoever may operate the server. */
export type Access = "open" | "read" | "admin";

/** What a successful call answers; further media types are alternatives that `Accept` chooses from. */
export interface Answer {
  readonly status: number;
  readonly description: string;
  /** By media type; a schema for JSON, undefined for bytes and text. */
  readonly content: Readonly<Record<string, z.ZodType | undefined>>;
}

/** One row of the route table: what is served, who may call it, what `/openapi.json` says of it. */
export interface Route {
  readonly method: "GET" | "POST" | "DELETE";
  /** Fastify's pattern: `/query/:id`. */
  readonly path: string;
  readonly access: Access;
  readonly summary: string;
  readonly description?: string;
  /** Left out of `/openapi.json`. */
  readonly isHidden?: boolean;
  readonly body?: z.ZodType;
  /** Headers of the request that the route reads, by name, with what they do. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly answers: readonly Answer[];
  /** `body` has been validated. */
  handle(request: FastifyRequest, reply: FastifyReply, body: unknown): unknown;
}

/** Ties a body's schema to its handler's argument. */
export function withBody<S extends z.ZodType>(
  schema: S,
  handle: (request: FastifyRequest, reply: FastifyReply, body: z.infer<S>) => unknown,
): Pick<Route, "body" | "handle"> {
  return { body: schema, handle: (request, reply, body) => handle(request, reply, body as z.infer<S>) };
}

/** Throws `request_invalid` that names each field that is wrong. */
export function parseBody(schema: z.ZodType, body: unknown): unknown {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(describeIssue);
  throw new EiderError("request_invalid", problems.join("; "));
}

function describeIssue(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys") return `unknown field \`${issue.keys.join("`, `")}\``;
  if (issue.path.length === 0) return "the body must be a JSON object";
  return `\`${z.core.toDotPath(issue.path)}\`: ${issue.message}`;
}
