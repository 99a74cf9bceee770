/**
 * How far DuckDB computes ahead of a result's reader (`streaming_buffer_size`). With its default of 1 MB its threads are
 * stopped and woken for every half batch, a quarter of a large result's CPU; a reader that has stopped reading keeps as
 * much in memory, as DuckDB counts it: its vectors take twice that.
 */
export const COMPUTE_AHEAD_MB = 8;
