"""What must hold of the lake and the data folder after a clean stop, whatever was written."""

import itertools
import os

import duckdb

METADATA = "__ducklake_metadata_lake"
# The row without a target, which every flush updates: the number of the process that flushes.
LEASE = "."
# What a stopped server leaves in its data folder; beside these, folders may be there but no file.
BUFFER_FILES = ("target.json", "tokens.duckdb")


def files_under(folder):
    return [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names]


def check_leftovers(data_dir):
    """Everything is flushed: no segment, nothing staged, set aside, spilled, or guarded."""
    problems = []
    for path in files_under(os.path.join(data_dir, "buffer")):
        if os.path.basename(path) not in BUFFER_FILES:
            problems.append(f"left in the buffer folder: {os.path.relpath(path, data_dir)}")
    for folder in ("guard", "temp", os.path.join("lake", ".eider-guard")):
        for path in files_under(os.path.join(data_dir, folder)):
            problems.append(f"left over: {os.path.relpath(path, data_dir)}")
    return problems


def referenced_files(connection, data_path):
    """Full path, size and kind of every file that the catalog refers to, in any snapshot."""
    rows = []
    for table in ("ducklake_data_file", "ducklake_delete_file"):
        rows += connection.execute(
            f"""SELECT s.path, s.path_is_relative, t.path, t.path_is_relative, f.path, f.path_is_relative,
                       f.file_size_bytes, t.table_name
                  FROM {METADATA}.{table} f
                  JOIN (SELECT DISTINCT table_id, schema_id, path, path_is_relative, table_name FROM {METADATA}.ducklake_table) t USING (table_id)
                  JOIN {METADATA}.ducklake_schema s USING (schema_id)"""
        ).fetchall()
    found = {}
    for schema, schema_relative, table, table_relative, file, file_relative, size, name in rows:
        folder = os.path.join(data_path, schema) if schema_relative else schema
        folder = os.path.join(folder, table) if table_relative else table
        found[os.path.normpath(os.path.join(folder, file) if file_relative else file)] = (size, name)
    return found


def check_files(connection, data_path):
    """Problems, and how many files nobody refers to: a kill between writing and COMMIT leaves such, and they do no harm."""
    problems = []
    referenced = referenced_files(connection, data_path)
    for path, (size, table) in referenced.items():
        if not os.path.exists(path):
            problems.append(f"{table}: {os.path.basename(path)} is in the catalog but does not exist")
        elif os.path.getsize(path) != size:
            problems.append(f"{table}: {os.path.basename(path)} has {os.path.getsize(path)} bytes, the catalog says {size}")
    scheduled = connection.execute(f"SELECT path FROM {METADATA}.ducklake_files_scheduled_for_deletion").fetchall()
    names = {os.path.basename(path) for path in referenced}
    for (path,) in scheduled:
        if os.path.basename(path) in names:
            problems.append(f"{os.path.basename(path)} is in use and scheduled for deletion")
    present = {os.path.normpath(path) for path in files_under(data_path) if path.endswith(".parquet")}
    return problems, len(present - referenced.keys())


def watermark_history(connection, table, table_id):
    """(target, snapshot from, snapshot until, last_seq) of every version of every row, as DuckLake inlines them."""
    inlined = connection.execute(
        f"SELECT table_name FROM {METADATA}.ducklake_inlined_data_tables WHERE table_id = {table_id}"
    ).fetchall()
    rows = []
    for (name,) in inlined:
        rows += connection.execute(
            f"SELECT target_schema || '.' || target_table, begin_snapshot, end_snapshot, last_seq FROM {METADATA}.{name}"
        ).fetchall()
    return sorted(rows)


def check_watermarks(connection, writers):
    """One row per target, never moving back, moved by exactly the transactions that brought rows, up to what was told."""
    tables = connection.execute(
        f"""SELECT t.table_name, t.table_id FROM {METADATA}.ducklake_table t JOIN {METADATA}.ducklake_schema s USING (schema_id)
             WHERE t.end_snapshot IS NULL AND s.schema_name = '_eider' AND t.table_name LIKE 'watermark%'"""
    ).fetchall()
    if len(tables) != 1:
        return [f"there are {len(tables)} watermark tables of one data folder"]
    name, table_id = tables[0]
    problems = []
    current = connection.execute(f'SELECT target_table, last_seq FROM lake._eider."{name}"').fetchall()
    marks = dict(current)
    if len(marks) != len(current):
        problems.append(f"{len(current)} watermarks for {len(marks)} targets")
    steps = {}
    for target, versions in itertools.groupby(watermark_history(connection, name, table_id), key=lambda row: row[0]):
        if target == LEASE:
            continue
        versions = sorted(versions, key=lambda row: row[1])
        seqs = [row[3] for row in versions]
        if any(later <= earlier for earlier, later in itertools.pairwise(seqs)):
            problems.append(f"the watermark of {target} did not only grow: {seqs[:20]}")
        if any(later[1] != earlier[2] for earlier, later in itertools.pairwise(versions)) or versions[-1][2] is not None:
            problems.append(f"the watermark of {target} has gaps or versions at one time")
        steps[target.removeprefix("main.")] = {
            row[1]: row[3] - before for row, before in zip(versions, [0, *seqs]) if row[3] > 0
        }
    for writer in writers:
        if writer.route.buffered:
            problems += check_steps(connection, writer, marks.get(writer.name, 0), steps.get(writer.name, {}))
    return problems


def check_steps(connection, writer, mark, steps):
    problems = []
    told = max(writer.seqs.values(), default=0)
    if mark < told:
        problems.append(f"{writer.name}: the watermark is {mark}, but seq {told} was acknowledged and everything flushed")
    added = connection.execute(
        f"""SELECT f.begin_snapshot, sum(f.record_count)::BIGINT FROM {METADATA}.ducklake_data_file f
              JOIN {METADATA}.ducklake_table t USING (table_id) WHERE t.table_name = ? AND t.end_snapshot IS NULL GROUP BY ALL""",
        [writer.name],
    ).fetchall()
    for snapshot, rows in added:
        # A staged stream that failed leaves a gap in the seqs, and of a key only the last write comes to the lake.
        if snapshot not in steps:
            problems.append(f"{writer.name}: snapshot {snapshot} added {rows} rows without moving the watermark")
        elif rows > steps[snapshot]:
            problems.append(f"{writer.name}: snapshot {snapshot} added {rows} rows, the watermark went on by {steps[snapshot]}")
    return problems


def open_lake(catalog, data_path, extension):
    connection = duckdb.connect()
    connection.execute(f"LOAD '{extension}'")
    connection.execute(f"ATTACH 'ducklake:{catalog}' AS lake (DATA_PATH '{data_path}', READ_ONLY)")
    return connection
