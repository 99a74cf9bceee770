import { z } from "zod";
import { VERSION } from "../version.ts";
import { ErrorAnswer } from "./error-body.ts";
import type { Answer, Route } from "./route.ts";

const METHODS = { GET: "get", POST: "post", DELETE: "delete" } as const;

/** The OpenAPI 3.1 description of the routes (https://spec.openapis.org/oas/v3.1.1.html), made from their rows. */
export function openApiDocument(routes: readonly Route[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    if (route.isHidden) continue;
    const path = route.path.replace(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [METHODS[route.method]]: operation(route) };
  }
  return {
    openapi: "3.1.1",
    info: { title: "Eider", version: VERSION, description: "Queries and operation of an Eider server over HTTP." },
    paths,
    components: {
      schemas: { Error: schemaOf(ErrorAnswer, "output") },
      securitySchemes: { basic: { type: "http", scheme: "basic" }, bearer: { type: "http", scheme: "bearer" } },
    },
  };
}

/** The route that serves the description of `routes`, and of itself. */
export function openApiRoute(routes: readonly Route[]): Route {
  const route: Route = {
    method: "GET",
    path: "/openapi.json",
    access: "open",
    summary: "This description",
    answers: [{ status: 200, description: "OpenAPI 3.1", content: { "application/json": undefined } }],
    handle: () => document,
  };
  const document = openApiDocument([...routes, route]);
  return route;
}

function operation({ path, summary, description, access, body, headers = {}, answers }: Route): object {
  const parameters = [
    ...Array.from(path.matchAll(/:(\w+)/g), ([, name]) => ({
      name,
      in: "path",
      required: true,
      schema: { type: "string" },
    })),
    ...Object.entries(headers)
      // OpenAPI leaves Accept to the answers' media types.
      .filter(([name]) => name !== "Accept")
      .map(([name, text]) => ({ name, in: "header", description: text, schema: { type: "string" } })),
  ];
  return {
    summary,
    ...(description === undefined ? {} : { description }),
    "x-access": access,
    // The empty one stands for servers without authentication, and for client certificates.
    security: access === "open" ? [] : [{ basic: [] }, { bearer: [] }, {}],
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body ? { requestBody: requestBody(body) } : {}),
    responses: {
      ...Object.fromEntries(answers.map((answer) => [answer.status, response(answer)])),
      default: {
        description: "an error",
        content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
      },
    },
  };
}

function requestBody(body: z.ZodType): object {
  const isOptional = body.safeParse(undefined).success;
  return { required: !isOptional, content: { "application/json": { schema: schemaOf(body, "input") } } };
}

function response({ description, content }: Answer): object {
  return {
    description,
    content: Object.fromEntries(
      Object.entries(content).map(([type, schema]) => [type, schema ? { schema: schemaOf(schema, "output") } : {}]),
    ),
  };
}

function schemaOf(schema: z.ZodType, io: "input" | "output"): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io });
  return rest;
}
