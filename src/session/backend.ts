import { type Principal, requireRoleAnywhere } from "../access/principal.ts";
import { unwrapEncapsulated } from "../arrow/schema.ts";
import { LAKE } from "../duck/sql.ts";
import type { Backend, ClientTraits, Session } from "../flight/backend.ts";
import { tableSchemas } from "../query/table-schemas.ts";
import { Guard } from "./guard.ts";
import type { SessionServices } from "./services.ts";
import { ClientSession } from "./session.ts";

/** The system behind the Flight layer. */
export class LakeBackend implements Backend {
  readonly #services: SessionServices;

  constructor(services: SessionServices) {
    this.#services = services;
  }

  async openSession(principal: Principal, { widenUnsigned, schema }: ClientTraits): Promise<Session> {
    requireRoleAnywhere(principal, "read", "a session");
    const guard = guardOf(this.#services, principal);
    const session = new ClientSession(principal, this.#services, { widenUnsigned }, guard);
    if (schema === undefined) return session;
    try {
      await session.startIn(schema);
      return session;
    } catch (error) {
      await session[Symbol.asyncDispose]();
      throw error;
    }
  }

  async listTables(
    principal: Principal,
  ): Promise<ReadonlyArray<{ readonly path: readonly string[]; readonly schema: Uint8Array }>> {
    using connection = await this.#services.lake.connect();
    const guard = guardOf(this.#services, principal);
    const found = await connection.rows(
      `SELECT database_name AS catalog_name, schema_name AS db_schema_name, table_name FROM duckdb_tables()
        WHERE database_name = '${LAKE}' AND schema_name <> '_eider' ORDER BY ALL`,
    );
    const tables = found.filter((table) => guard?.canRead(String(table["db_schema_name"])) ?? true);
    const schemas = await tableSchemas(connection, tables);
    return tables.map((table, i) => ({
      path: [String(table["db_schema_name"]), String(table["table_name"])],
      schema: unwrapEncapsulated(schemas[i] ?? new Uint8Array()),
    }));
  }
}

/** Undefined when nothing is to be checked. */
export function guardOf({ reader, names }: SessionServices, principal: Principal): Guard | undefined {
  return principal.grants && reader ? new Guard(principal, reader, names) : undefined;
}
