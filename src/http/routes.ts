import { openApiRoute } from "./openapi.ts";
import { type OperationServices, operationRoutes } from "./operations.ts";
import { type QueryServices, queryRoutes } from "./query-routes.ts";
import type { Route } from "./route.ts";
import { type StatusServices, statusRoutes } from "./status-routes.ts";

export interface HttpServices {
  readonly operations: OperationServices;
  readonly queries: QueryServices;
  readonly status: StatusServices;
}

/** THE table of routes: one row each, with who may call it. */
export function httpRoutes({ operations, queries, status }: HttpServices): Route[] {
  const routes = [...queryRoutes(queries), ...operationRoutes(operations), ...statusRoutes(status)];
  return [...routes, openApiRoute(routes)];
}
