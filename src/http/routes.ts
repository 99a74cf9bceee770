import { openApiRoute } from "./openapi.ts";
import { type OperationServices, operationRoutes } from "./operations.ts";
import { type QueryServices, queryRoutes } from "./query-routes.ts";
import type { Route } from "./route.ts";

export interface HttpServices {
  readonly operations: OperationServices;
  readonly queries: QueryServices;
}

/** THE table of routes: one row each, with who may call it. */
export function httpRoutes({ operations, queries }: HttpServices): Route[] {
  const routes = [...queryRoutes(queries), ...operationRoutes(operations)];
  return [...routes, openApiRoute(routes)];
}
