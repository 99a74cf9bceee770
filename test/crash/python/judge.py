"""Reads the lake with DuckDB's own Python package and holds it against what the writers were told.

Input: {"catalog", "data_path", "extension", "runs": [what writers.py printed, in order]}. Prints the problems found.
"""

import collections
import itertools
import json
import os
import sys

import duckdb

from writers import LARGE_ROWS, ROWS, keyed_change

ROWS_OF = {"ingest_large": LARGE_ROWS}


def check_append(route, runs, found):
    """Acknowledged: exactly once. Under way: all rows once, or none. Anything else: not at all."""
    problems = []
    rows = ROWS_OF.get(route, ROWS)
    counts = collections.Counter(found)
    twice = [i for i, n in counts.items() if n > 1]
    if twice:
        problems.append(f"{route}: {len(twice)} rows are there more than once, such as {twice[:3]}")
    for run in runs:
        for n in run["acknowledged"]:
            missing = [i for i in range(n * LARGE_ROWS, n * LARGE_ROWS + rows) if i not in counts]
            if missing:
                problems.append(f"{route}: operation {n} was acknowledged, {len(missing)} of its rows are missing")
        for n in run["under_way"]:
            there = sum(i in counts for i in range(n * LARGE_ROWS, n * LARGE_ROWS + rows))
            if there not in (0, rows):
                problems.append(f"{route}: operation {n} is there by half: {there} of {rows} rows")
    known = {n for run in runs for n in run["acknowledged"] + run["under_way"]}
    strangers = [i for i in counts if i // LARGE_ROWS not in known or i % LARGE_ROWS >= rows]
    if strangers:
        problems.append(f"{route}: {len(strangers)} rows that nobody wrote, such as {strangers[:3]}")
    return problems


def apply(state, n):
    op, keys = keyed_change(n)
    for i, key in enumerate(keys):
        if op == "delete":
            state.pop(key, None)
        else:
            state[key] = n * 100 + i


def check_keyed(route, runs, found):
    """The table equals the acknowledged operations in order, with or without each that was under way."""
    counts = collections.Counter(key for key, _ in found)
    twice = [key for key, n in counts.items() if n > 1]
    if twice:
        return [f"{route}: keys {twice[:5]} are there more than once"]
    doubtful = [n for run in runs for n in run["under_way"]]
    for chosen in itertools.product([False, True], repeat=len(doubtful)):
        taken = {n for n, yes in zip(doubtful, chosen) if yes}
        state = {}
        for run in runs:
            for n in run["acknowledged"] + [n for n in run["under_way"] if n in taken]:
                apply(state, n)
        if state == dict(found):
            return []
    return [f"{route}: the table is not what the acknowledged operations make; found {sorted(found)[:5]}"]


def main():
    job = json.load(sys.stdin)
    connection = duckdb.connect()
    connection.execute(f"LOAD '{job['extension']}'")
    connection.execute(f"ATTACH 'ducklake:{job['catalog']}' AS lake (DATA_PATH '{job['data_path']}')")
    problems, rows = [], {}
    for route in {route for run in job["runs"] for route in run}:
        runs = [run[route] for run in job["runs"] if route in run]
        try:
            if route == "put_keyed":
                found = connection.execute(f"SELECT id, v FROM lake.main.{route}").fetchall()
                problems += check_keyed(route, runs, found)
            else:
                found = [row[0] for row in connection.execute(f"SELECT id FROM lake.main.{route}").fetchall()]
                problems += check_append(route, runs, found)
            rows[route] = len(found)
        except duckdb.CatalogException as error:
            if any(run["acknowledged"] for run in runs):
                problems.append(f"{route}: acknowledged, but the table is missing: {error}")
        except duckdb.Error as error:
            problems.append(f"{route}: the table cannot be read: {error}")
    print(json.dumps({"problems": problems, "rows": rows}))


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(__file__))
    main()
