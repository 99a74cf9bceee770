/** The lake table that a batch is for. `key` is unique per target and usable in a Map; identifiers are case-insensitive in DuckDB. */
export interface Target {
  readonly schema: string;
  readonly table: string;
}

export function targetKey(target: Target): string {
  return `${target.schema.toLowerCase()}\u0000${target.table.toLowerCase()}`;
}

export function targetName(target: Target): string {
  return `${target.schema}.${target.table}`;
}
