import type { Target } from "../base/target.ts";
import type { BufferView } from "../buffer/types.ts";
import type { Connection } from "../duck/database.ts";
import type { Flusher } from "../flush/flusher.ts";
import type { FlushRecord } from "../flush/observer.ts";
import type { TaskView } from "../housekeeping/task-list.ts";
import { registerTableFunction, type TableFunctionColumn } from "../query/table-function.ts";

/** What `eider_buffers()`, `eider_flushes()` and `eider_tasks()` show; also what the status page shows. */
export interface SystemState {
  readonly views: () => readonly BufferView[];
  readonly flusher: () => Flusher;
  readonly tasks: () => readonly TaskView[];
}

const BUFFER_COLUMNS: ReadonlyArray<TableFunctionColumn<BufferView>> = [
  { name: "schema_name", type: "VARCHAR", value: (view) => view.target.schema },
  { name: "table_name", type: "VARCHAR", value: (view) => view.target.table },
  { name: "open_rows", type: "BIGINT", value: (view) => view.openRows },
  { name: "open_bytes", type: "BIGINT", value: (view) => view.openBytes },
  { name: "open_since", type: "TIMESTAMP WITH TIME ZONE", value: (view) => view.openSinceMs },
  { name: "sealed_segments", type: "BIGINT", value: (view) => view.sealedSegments },
  { name: "sealed_rows", type: "BIGINT", value: (view) => view.sealedRows },
  { name: "sealed_bytes", type: "BIGINT", value: (view) => view.sealedBytes },
  { name: "oldest_row_at", type: "TIMESTAMP WITH TIME ZONE", value: (view) => view.oldestMs },
  { name: "disk_bytes", type: "BIGINT", value: (view) => view.diskBytes },
  { name: "last_seq", type: "BIGINT", value: (view) => view.lastSeq },
];

const FLUSH_COLUMNS: ReadonlyArray<TableFunctionColumn<FlushRecord>> = [
  { name: "schema_name", type: "VARCHAR", value: (flush) => flush.target.schema },
  { name: "table_name", type: "VARCHAR", value: (flush) => flush.target.table },
  { name: "reason", type: "VARCHAR", value: (flush) => flush.reason },
  { name: "started_at", type: "TIMESTAMP WITH TIME ZONE", value: (flush) => flush.startedMs },
  { name: "duration_seconds", type: "DOUBLE", value: (flush) => flush.durationMs / 1000 },
  { name: "segments", type: "BIGINT", value: (flush) => flush.segments },
  { name: "rows_in", type: "BIGINT", value: (flush) => flush.rowsIn },
  { name: "rows_out", type: "BIGINT", value: (flush) => flush.rowsOut },
  { name: "rows_inserted", type: "BIGINT", value: (flush) => flush.rowsInserted },
  { name: "rows_deleted", type: "BIGINT", value: (flush) => flush.rowsDeleted },
  { name: "bytes", type: "BIGINT", value: (flush) => flush.bytes },
  ...(["compact", "write", "guard", "commit", "harden", "remove"] as const).map((phase) => ({
    name: `${phase}_seconds`,
    type: "DOUBLE" as const,
    value: (flush: FlushRecord) => {
      const ms = flush.phasesMs[phase];
      return ms === undefined ? undefined : ms / 1000;
    },
  })),
  { name: "already_committed", type: "BOOLEAN", value: (flush) => flush.alreadyCommitted },
  { name: "error", type: "VARCHAR", value: (flush) => flush.error },
];

interface Task {
  readonly kind: string;
  readonly target: Target | undefined;
  readonly state: "waiting" | "running" | "retrying";
  readonly rows?: number;
  readonly failures?: ReturnType<Flusher["failures"]>;
  readonly housekeeping?: TaskView;
}

/** A table's flush that is due and not done (waiting for its turn, running, or waiting after a failure); housekeeping. */
const TASK_COLUMNS: ReadonlyArray<TableFunctionColumn<Task>> = [
  { name: "kind", type: "VARCHAR", value: ({ kind }) => kind },
  { name: "schema_name", type: "VARCHAR", value: ({ target }) => target?.schema },
  { name: "table_name", type: "VARCHAR", value: ({ target }) => target?.table },
  { name: "state", type: "VARCHAR", value: ({ state }) => state },
  { name: "rows", type: "BIGINT", value: ({ rows }) => rows },
  { name: "failures", type: "BIGINT", value: ({ failures }) => failures?.count },
  { name: "retry_at", type: "TIMESTAMP WITH TIME ZONE", value: ({ failures }) => failures?.retryAtMs },
  { name: "error", type: "VARCHAR", value: ({ failures }) => failures?.error },
  { name: "id", type: "BIGINT", value: ({ housekeeping }) => housekeeping?.id },
  { name: "started_at", type: "TIMESTAMP WITH TIME ZONE", value: ({ housekeeping }) => housekeeping?.startedMs },
  { name: "progress_percent", type: "DOUBLE", value: ({ housekeeping }) => housekeeping?.progress },
];

function flushTasks(state: SystemState): Task[] {
  return state
    .views()
    .filter((view) => view.sealedSegments > 0)
    .map((view) => {
      const failures = state.flusher().failures(view.target);
      const { target, sealedRows: rows } = view;
      return {
        kind: "flush",
        target,
        state: failures.retryAtMs === undefined ? "running" : "retrying",
        rows,
        failures,
      };
    });
}

function housekeepingTasks(state: SystemState): Task[] {
  return state.tasks().map((task) => ({
    kind: task.kind,
    target: task.target,
    state: task.startedMs === undefined ? "waiting" : "running",
    housekeeping: task,
  }));
}

export function registerSystemFunctions(connection: Connection, state: SystemState): void {
  registerTableFunction(connection, "eider_buffers", BUFFER_COLUMNS, state.views);
  registerTableFunction(connection, "eider_flushes", FLUSH_COLUMNS, () => state.flusher().recent);
  registerTableFunction(connection, "eider_tasks", TASK_COLUMNS, () => [
    ...flushTasks(state),
    ...housekeepingTasks(state),
  ]);
}
