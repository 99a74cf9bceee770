/**
 * What a benchmark's result divides by what. `floor`: the ratio below which the guard in CI speaks of a step back; far
 * below what is measured on a calm machine, since both sides swing on a shared one. `ms`: less is better, so the
 * yardstick is divided by Eider's.
 */
export const RATIOS = [
  {
    name: "bulk ingest, durable",
    against: "DuckDB file",
    unit: "rows/s",
    own: "bulk.durable",
    yardstick: "file.bulk",
    floor: 0.15,
  },
  {
    name: "bulk ingest, in the lake",
    against: "DuckLake",
    unit: "rows/s",
    own: "bulk.lake",
    yardstick: "ducklake.bulk",
    floor: 0.05,
  },
  {
    name: "16 clients, ADBC ingest calls",
    against: "DuckDB file",
    unit: "batches/s",
    own: "clients.ingest",
    yardstick: "file.clients",
    floor: 0.2,
  },
  {
    name: "16 clients, DoPut one batch a call",
    against: "DuckDB file",
    unit: "batches/s",
    own: "clients.put",
    yardstick: "file.clients",
    floor: 0.3,
  },
  {
    name: "16 clients, open streams",
    against: "DuckDB file",
    unit: "batches/s",
    own: "clients.stream",
    yardstick: "file.clients",
    floor: 0.5,
  },
  {
    name: "16 clients, pipelined",
    against: "DuckDB file",
    unit: "batches/s",
    own: "clients.pipelined",
    yardstick: "file.clients",
    floor: 1.2,
  },
  {
    name: "16 clients, open streams",
    against: "DuckLake",
    unit: "batches/s",
    own: "clients.stream",
    yardstick: "ducklake.clients",
    floor: 5,
  },
  {
    name: "8 clients, single-row INSERT",
    against: "DuckLake batches",
    unit: "rows/s",
    own: "clients.insert",
    yardstick: "ducklake.clients",
    floor: 1,
  },
  {
    name: "SELECT *",
    against: "DuckLake to Arrow",
    unit: "rows/s",
    own: "select.all",
    yardstick: "ducklake.select",
    floor: 0.1,
  },
  {
    name: "SELECT 1, p50",
    against: "DuckDB",
    unit: "ms",
    own: "select.one",
    yardstick: "file.selectOne",
    floor: 0.005,
  },
  {
    name: "SELECT during ingest, p99",
    against: "idle",
    unit: "ms",
    own: "reads.busy",
    yardstick: "reads.idle",
    floor: 0.03,
  },
  {
    name: "flush, append-only",
    against: "INSERT by hand",
    unit: "rows/s",
    own: "flush.plain",
    yardstick: "ducklake.flush.plain",
    floor: 0.1,
  },
  {
    name: "flush, upserts into 10 times as many",
    against: "by hand",
    unit: "rows/s",
    own: "flush.keyed",
    yardstick: "ducklake.flush.keyed",
    floor: 0.1,
  },
  {
    name: "16 clients, ADBC ingest calls",
    against: "idle server",
    unit: "batches/s",
    own: "clients.ingest",
    yardstick: "idle.ingest",
    floor: 0.02,
  },
  {
    name: "16 clients, DoPut one batch a call",
    against: "idle server",
    unit: "batches/s",
    own: "clients.put",
    yardstick: "idle.put",
    floor: 0.02,
  },
  {
    name: "16 clients, open streams",
    against: "idle server",
    unit: "batches/s",
    own: "clients.stream",
    yardstick: "idle.stream",
    floor: 0.01,
  },
  {
    name: "16 clients, pipelined",
    against: "idle server",
    unit: "batches/s",
    own: "clients.pipelined",
    yardstick: "idle.pipelined",
    floor: 0.01,
  },
  {
    name: "8 clients, single-row INSERT",
    against: "idle server",
    unit: "rows/s",
    own: "clients.insert",
    yardstick: "idle.insert",
    floor: 0.02,
  },
  {
    name: "SELECT 1, p50",
    against: "idle server",
    unit: "ms",
    own: "select.one",
    yardstick: "idle.selectOne",
    floor: 0.02,
  },
];

/** Of each row that was measured: both sides and how many times as fast as the yardstick Eider is. */
export function ratiosOf(measurements) {
  return RATIOS.flatMap((row) => {
    const [own, yardstick] = [measurements[row.own], measurements[row.yardstick]];
    if (own === undefined || yardstick === undefined) return [];
    const speed = row.unit === "ms" ? yardstick.value / own.value : own.value / yardstick.value;
    return [{ ...row, measured: own, compared: yardstick, speed }];
  });
}
