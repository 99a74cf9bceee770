import type { Principal } from "../access/principal.ts";
import { packAny } from "../wire/any.ts";
import { type Criteria, DESCRIPTOR_PATH, type FlightInfo, Sql } from "../wire/messages.ts";
import { endpointOf, rowsInfo } from "./flight-info.ts";
import type { Services } from "./services.ts";
import { pathQuery } from "./statement.ts";

/**
 * ListFlights: every table as a path. The criteria, when not empty, is text that the path's parts, joined by dots, must
 * contain, in whichever case. The tickets are queries: they may be redeemed again and again.
 */
export async function* listFlights(
  criteria: Criteria,
  services: Services,
  principal: Principal,
): AsyncGenerator<FlightInfo> {
  const wanted = Buffer.from(criteria.expression ?? [])
    .toString("utf8")
    .toLowerCase();
  for (const { path, schema } of await services.backend.listTables(principal)) {
    if (!path.join(".").toLowerCase().includes(wanted)) continue;
    const ticket = packAny(Sql.CommandStatementQuery, pathQuery(path));
    yield rowsInfo({ type: DESCRIPTOR_PATH, path }, schema, endpointOf(ticket));
  }
}
