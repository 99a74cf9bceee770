import { Int64, Table, Utf8, vectorFromArray } from "apache-arrow";
import { column, shapeOf } from "./support.ts";

/** The tests' usual table: id and name, without and with a key. */
export const COLUMNS = [column("id", "BIGINT"), column("name", "VARCHAR")];
export const EVENTS = shapeOf("events", COLUMNS);
export const KEYED = shapeOf("keyed", COLUMNS, ["id"]);

export function eventsOf(ids: readonly (number | null)[], names?: readonly (string | null)[]): Table {
  return new Table({
    id: vectorFromArray(
      ids.map((id) => (id === null ? null : BigInt(id))),
      new Int64(),
    ),
    name: vectorFromArray(names ?? ids.map((id) => `name ${id}`), new Utf8()),
  });
}
