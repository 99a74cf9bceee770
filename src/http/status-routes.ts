import type { Status } from "../observe/status.ts";
import { pageRoutes } from "./page-routes.ts";
import type { Route } from "./route.ts";

export interface StatusServices {
  readonly status: () => Promise<Status>;
}

/** The status page, and what it shows as JSON. The page itself holds nothing that is not in the package. */
export function statusRoutes({ status }: StatusServices): Route[] {
  return [
    ...pageRoutes(),
    {
      method: "GET",
      path: "/status.json",
      access: "admin",
      summary: "What the status page shows",
      description: "Buffers, flushes, queries, throughput, problems and settings; times are Unix milliseconds.",
      answers: [{ status: 200, description: "the state now", content: { "application/json": undefined } }],
      async handle(_, reply) {
        return reply.header("Cache-Control", "no-store").send(await status());
      },
    },
  ];
}
