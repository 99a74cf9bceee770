// Grafana's dashboard, from a table of rows: `npm run docs` writes deploy/grafana/eider-dashboard.json.

const WIDTH = 24;
const HEIGHT = 8;
const I = 'job=~"$job",instance=~"$instance"';
const T = `${I},table=~"$table"`;

const rate = (metric, selector, by) => `sum by (${by}) (rate(${metric}{${selector}}[$__rate_interval]))`;
const quantile = (q, metric, by) =>
  `histogram_quantile(${q}, sum by (le, ${by}) (rate(${metric}_bucket{${I}}[$__rate_interval])))`;
const average = (metric, by) => `${rate(`${metric}_sum`, I, by)} / ${rate(`${metric}_count`, I, by)}`;

/** Title, then panels: title, unit, and queries with their legends. `w`: of 24 columns. `type`: a time series if not said. */
const ROWS = [
  [
    "Now",
    { title: "Up", type: "stat", w: 3, q: [[`min(up{${I}})`, ""]] },
    {
      title: "Version",
      type: "stat",
      w: 3,
      text: true,
      q: [[`eider_build_info{${I}}`, "{{version}} (DuckDB {{duckdb_version}}, Node {{node_version}})"]],
    },
    {
      title: "Rows written",
      type: "stat",
      unit: "rowsps",
      w: 3,
      q: [[`sum(rate(eider_ingest_rows_total{${I}}[$__rate_interval]))`, ""]],
    },
    { title: "Rows waiting", type: "stat", w: 3, q: [[`sum(eider_buffer_rows{${I}})`, ""]] },
    {
      title: "Oldest waiting row",
      type: "stat",
      unit: "s",
      w: 3,
      q: [[`max(eider_buffer_oldest_row_age_seconds{${I}})`, ""]],
    },
    {
      title: "Buffer disk",
      type: "stat",
      unit: "percentunit",
      w: 3,
      q: [[`sum(eider_buffer_disk_bytes{${I}}) / sum(eider_buffer_disk_limit_bytes{${I}})`, ""]],
    },
    {
      title: "Failed flushes in the last hour",
      type: "stat",
      w: 3,
      q: [[`sum(increase(eider_flushes_total{${I},result="failed"}[1h])) or vector(0)`, ""]],
    },
    { title: "Sessions", type: "stat", w: 3, q: [[`sum(eider_sessions{${I}})`, ""]] },
  ],
  [
    "Writing",
    {
      title: "Rows written",
      unit: "rowsps",
      q: [[rate("eider_ingest_rows_total", T, "table, route"), "{{table}} {{route}}"]],
    },
    { title: "Arrow bytes written", unit: "Bps", q: [[rate("eider_ingest_bytes_total", T, "table"), "{{table}}"]] },
    {
      title: "Batches",
      unit: "ops",
      q: [[rate("eider_ingest_batches_total", T, "route, result"), "{{route}} {{result}}"]],
    },
    {
      title: "Acknowledgement",
      unit: "s",
      q: [
        [quantile(0.5, "eider_ingest_ack_duration_seconds", "route"), "{{route}} p50"],
        [quantile(0.99, "eider_ingest_ack_duration_seconds", "route"), "{{route}} p99"],
      ],
    },
    {
      title: "Appends that wait for room",
      unit: "short",
      q: [
        [rate("eider_buffer_waits_total", I, "instance"), "{{instance}}: waits/s"],
        [rate("eider_buffer_wait_seconds_total", I, "instance"), "{{instance}}: waiting at once"],
      ],
    },
    {
      title: "Oldest waiting row",
      unit: "s",
      q: [[`max by (table) (eider_buffer_oldest_row_age_seconds{${T}})`, "{{table}}"]],
    },
  ],
  [
    "Buffers",
    { title: "Rows", q: [[`sum by (table, state) (eider_buffer_rows{${T}})`, "{{table}} {{state}}"]] },
    {
      title: "Arrow bytes",
      unit: "bytes",
      q: [[`sum by (table, state) (eider_buffer_bytes{${T}})`, "{{table}} {{state}}"]],
    },
    { title: "Segments", q: [[`sum by (table, state) (eider_buffer_segments{${T}})`, "{{table}} {{state}}"]] },
    {
      title: "Disk",
      unit: "bytes",
      q: [
        [`sum by (instance) (eider_buffer_disk_bytes{${I}})`, "{{instance}}"],
        [`eider_buffer_disk_limit_bytes{${I}}`, "limit {{instance}}"],
      ],
    },
  ],
  [
    "Flushes",
    { title: "Flushes", unit: "ops", q: [[rate("eider_flushes_total", T, "reason, result"), "{{reason}} {{result}}"]] },
    { title: "Time by phase", unit: "s", q: [[average("eider_flush_phase_duration_seconds", "phase"), "{{phase}}"]] },
    {
      title: "Since the last flush",
      unit: "s",
      q: [[`time() - max by (table) (eider_flush_last_success_timestamp_seconds{${T}})`, "{{table}}"]],
    },
    { title: "Compaction", unit: "rowsps", q: [[rate("eider_compaction_rows_total", T, "stage"), "{{stage}}"]] },
    {
      title: "Catalog",
      q: [
        [`min by (instance) (eider_catalog_up{${I}})`, "{{instance}} answers"],
        [`max by (instance) (eider_catalog_outage_seconds{${I}})`, "{{instance}} away for, seconds"],
      ],
    },
    {
      title: "Rest between commits",
      unit: "s",
      q: [[`max by (instance) (eider_commit_pause_seconds{${I}})`, "{{instance}}"]],
    },
    {
      title: "Rows changed in the lake",
      unit: "rowsps",
      q: [[rate("eider_flush_rows_total", T, "table, change"), "{{table}} {{change}}"]],
    },
    {
      title: "Files of bulk ingests taken as they are",
      q: [[`sum(eider_adopted_files{${I}})`, "since the start"]],
    },
    {
      title: "What should be rare",
      q: [
        [`sum(increase(eider_commit_conflicts_total{${I}}[$__rate_interval]))`, "conflicts"],
        [`sum(increase(eider_commits_in_doubt_total{${I}}[$__rate_interval]))`, "COMMITs in doubt"],
        [`sum(eider_guard_restored_files{${I}})`, "files restored since the start"],
        [`sum(eider_quarantined_segments_total{${I}})`, "segments put aside since the start"],
        [`sum by (outcome) (eider_recovered_segments_total{${I}})`, "segments of an earlier life: {{outcome}}"],
      ],
    },
  ],
  [
    "Housekeeping",
    {
      title: "Tasks",
      q: [
        [
          `sum by (task, result) (increase(eider_housekeeping_tasks_total{${I}}[$__rate_interval]))`,
          "{{task}} {{result}}",
        ],
      ],
    },
    { title: "Time", unit: "s", q: [[average("eider_housekeeping_duration_seconds", "task"), "{{task}}"]] },
    { title: "Running", q: [[`sum by (instance) (eider_housekeeping_tasks_running{${I}})`, "{{instance}}"]] },
  ],
  [
    "Queries",
    { title: "Statements", unit: "ops", q: [[rate("eider_queries_total", I, "result"), "{{result}}"]] },
    {
      title: "Time to the last row",
      unit: "s",
      q: [
        [quantile(0.5, "eider_query_duration_seconds", "instance"), "{{instance}} p50"],
        [quantile(0.99, "eider_query_duration_seconds", "instance"), "{{instance}} p99"],
      ],
    },
    {
      title: "Running and waiting",
      q: [
        [`sum(eider_queries_running{${I}})`, "running"],
        [`sum(eider_queries_waiting{${I}})`, "waiting"],
      ],
    },
    {
      title: "Connections for HTTP",
      q: [
        [`sum by (state) (eider_pool_connections{${I}})`, "{{state}}"],
        [`sum(eider_pool_max_connections{${I}})`, "limit"],
      ],
    },
    {
      title: "Results that wait for their readers",
      unit: "bytes",
      q: [
        [`sum by (place) (eider_spool_bytes{${I}})`, "{{place}}"],
        [`sum by (place) (eider_spool_limit_bytes{${I}})`, "limit: {{place}}"],
      ],
    },
    {
      title: "Computed ahead of readers",
      unit: "bytes",
      q: [
        [`sum(eider_result_ahead_bytes{${I}})`, "open results"],
        [`sum(eider_result_ahead_limit_bytes{${I}})`, "limit"],
      ],
    },
    {
      title: "Waits for a connection",
      q: [
        [rate("eider_pool_waits_total", I, "instance"), "{{instance}}: waits/s"],
        [rate("eider_pool_wait_seconds_total", I, "instance"), "{{instance}}: waiting at once"],
        [rate("eider_pool_connections_opened_total", I, "instance"), "{{instance}}: opened/s"],
      ],
    },
    {
      // Its own label "instance" (lake, buffers) is renamed by Prometheus, whose label that is.
      title: "DuckDB",
      unit: "bytes",
      q: [
        [`sum by (exported_instance) (eider_duckdb_memory_bytes{${I}})`, "memory: {{exported_instance}}"],
        [`sum by (exported_instance) (eider_duckdb_cache_bytes{${I}})`, "schemas: {{exported_instance}}"],
        [`sum by (exported_instance) (eider_duckdb_temp_bytes{${I}})`, "spilled: {{exported_instance}}"],
      ],
    },
  ],
  [
    "Calls",
    {
      title: "Flight",
      unit: "ops",
      q: [[rate("eider_flight_requests_total", I, "method, code"), "{{method}} {{code}}"]],
    },
    {
      title: "Flight p99",
      unit: "s",
      q: [[quantile(0.99, "eider_flight_request_duration_seconds", "method"), "{{method}}"]],
    },
    { title: "Flight running", q: [[`sum by (method) (eider_flight_requests_running{${I}})`, "{{method}}"]] },
    { title: "HTTP", unit: "ops", q: [[rate("eider_http_requests_total", I, "route, code"), "{{route}} {{code}}"]] },
    {
      title: "HTTP p99",
      unit: "s",
      q: [[quantile(0.99, "eider_http_request_duration_seconds", "route"), "{{route}}"]],
    },
    {
      title: "Limits: how much is taken",
      unit: "percentunit",
      q: [[`max by (limit) (eider_limit_used{${I}} / on (job, instance, limit) eider_limit_value{${I}})`, "{{limit}}"]],
    },
    {
      title: "Left alone",
      unit: "ops",
      q: [
        [rate("eider_transactions_left_alone_total", I, "instance"), "{{instance}}: transactions"],
        [rate("eider_results_left_alone_total", I, "instance"), "{{instance}}: results"],
        [rate("eider_sessions_left_alone_total", I, "instance"), "{{instance}}: sessions"],
      ],
    },
    { title: "Open transactions", q: [[`sum by (instance) (eider_transactions{${I}})`, "{{instance}}"]] },
    { title: "Refused by a limit", unit: "ops", q: [[rate("eider_limit_refusals_total", I, "limit"), "{{limit}}"]] },
    { title: "Turned away", unit: "ops", q: [[rate("eider_auth_failures_total", I, "reason"), "{{reason}}"]] },
  ],
  [
    "Process",
    {
      title: "Memory",
      unit: "bytes",
      q: [
        [`process_resident_memory_bytes{${I}}`, "{{instance}}"],
        [`nodejs_heap_size_used_bytes{${I}}`, "{{instance}} JavaScript"],
      ],
    },
    {
      title: "Processor",
      unit: "short",
      q: [[`rate(process_cpu_seconds_total{${I}}[$__rate_interval])`, "{{instance}}"]],
    },
    { title: "Event loop p99", unit: "s", q: [[`nodejs_eventloop_lag_p99_seconds{${I}}`, "{{instance}}"]] },
    {
      title: "File descriptors",
      q: [
        [`process_open_fds{${I}}`, "{{instance}}"],
        [`process_max_fds{${I}}`, "limit {{instance}}"],
      ],
    },
    {
      title: "Garbage collection",
      unit: "percentunit",
      q: [[rate("nodejs_gc_duration_seconds_sum", I, "kind"), "{{kind}}"]],
    },
    {
      title: "Running since",
      unit: "dateTimeFromNow",
      type: "stat",
      q: [[`process_start_time_seconds{${I}} * 1000`, "{{instance}}"]],
    },
  ],
];

// biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of the dashboard
const DATASOURCE = { type: "prometheus", uid: "${datasource}" };

/** A variable of the dashboard whose values are a label's. */
const labelVariable = (name, query) => ({
  name,
  type: "query",
  datasource: DATASOURCE,
  query: { query, refId: name },
  refresh: 2,
  includeAll: true,
  multi: true,
  allValue: ".*",
  current: { text: "All", value: "$__all" },
});

export function dashboard() {
  const panels = [];
  let y = 0;
  for (const [title, ...own] of ROWS) {
    panels.push({
      id: panels.length + 1,
      type: "row",
      title,
      collapsed: false,
      gridPos: { x: 0, y: y++, w: WIDTH, h: 1 },
      panels: [],
    });
    let x = 0;
    for (const panel of own) {
      const w = panel.w ?? WIDTH / 3;
      const h = panel.w === undefined ? HEIGHT : HEIGHT / 2;
      if (x + w > WIDTH) {
        x = 0;
        y += h;
      }
      panels.push(panelOf(panel, panels.length + 1, { x, y, w, h }));
      x += w;
    }
    y += own[0].w === undefined ? HEIGHT : HEIGHT / 2;
  }
  return {
    uid: "eider",
    title: "Eider",
    tags: ["eider"],
    schemaVersion: 39,
    editable: true,
    refresh: "30s",
    time: { from: "now-1h", to: "now" },
    timezone: "",
    templating: {
      list: [
        {
          name: "datasource",
          type: "datasource",
          query: "prometheus",
          current: { text: "Prometheus", value: "prometheus" },
        },
        labelVariable("job", "label_values(eider_build_info, job)"),
        labelVariable("instance", 'label_values(eider_build_info{job=~"$job"}, instance)'),
        labelVariable("table", 'label_values(eider_ingest_rows_total{job=~"$job"}, table)'),
      ],
    },
    panels,
  };
}

function panelOf({ title, type = "timeseries", unit = "short", text = false, q }, id, gridPos) {
  return {
    id,
    type,
    title,
    datasource: DATASOURCE,
    gridPos,
    fieldConfig: {
      defaults: { unit, min: type === "timeseries" ? 0 : null },
      overrides: [],
    },
    options:
      type === "stat"
        ? { reduceOptions: { calcs: ["lastNotNull"] }, textMode: text ? "name" : "auto", colorMode: "none" }
        : { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi", sort: "desc" } },
    targets: q.map(([expr, legendFormat], i) => ({
      refId: String.fromCharCode(65 + i),
      datasource: DATASOURCE,
      expr,
      legendFormat,
    })),
  };
}
