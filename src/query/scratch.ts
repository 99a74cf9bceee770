import { Database } from "../duck/database.ts";

/** An instance in memory in which statements of clients are parsed: it must not reach files. */
export function openScratch(): Promise<Database> {
  return Database.open({ threads: "1", enable_external_access: "false", lock_configuration: "true" });
}
