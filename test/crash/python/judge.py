"""Holds the tables of a lake against what their writers were told. DuckDB's own Python package reads them."""

import collections
import itertools

import duckdb

from operations import STRIDE, keyed_effect


def check_append(writer, found):
    """Acknowledged: exactly once. In doubt: all rows once, or none. Anything else: not at all."""
    problems = []
    rows = writer.route.rows
    counts = collections.Counter(found)
    twice = [i for i, n in counts.items() if n > 1]
    if twice:
        problems.append(f"{writer.name}: {len(twice)} rows are there more than once, such as {twice[:3]}")
    there = collections.Counter(i // STRIDE for i in counts)
    for n in writer.acknowledged:
        if there[n] != rows:
            problems.append(f"{writer.name}: operation {n} was acknowledged, {rows - there[n]} of its rows are missing")
    for n in writer.doubtful:
        if there[n] not in (0, rows):
            problems.append(f"{writer.name}: operation {n} is there by half: {there[n]} of {rows} rows")
    known = {*writer.acknowledged, *writer.doubtful}
    strangers = [i for i in counts if i // STRIDE not in known or i % STRIDE >= rows]
    if strangers:
        problems.append(f"{writer.name}: {len(strangers)} rows that nobody wrote, such as {strangers[:3]}")
    return problems


def check_keyed(writer, found):
    """The table equals the acknowledged operations in order, with or without each that is in doubt."""
    counts = collections.Counter(key for key, _ in found)
    twice = [key for key, n in counts.items() if n > 1]
    if twice:
        return [f"{writer.name}: keys {twice[:5]} are there more than once"]
    effects = {n: keyed_effect(writer.route, n) for n in [*writer.acknowledged, *writer.doubtful]}
    for chosen in itertools.product([False, True], repeat=len(writer.doubtful)):
        dropped = {n for n, yes in zip(writer.doubtful, chosen) if not yes}
        state = {}
        for n in sorted(effects):
            if n not in dropped:
                state.update(effects[n])
        if {key: value for key, value in state.items() if value is not None} == dict(found):
            return []
    return [f"{writer.name}: the table is not what the acknowledged operations make; found {sorted(found)[:5]}"]


def check_tokens(writer):
    """After the last life nothing may be left to send, and nothing was acknowledged for two."""
    problems = []
    if writer.unacknowledged:
        problems.append(f"{writer.name}: batches {list(writer.unacknowledged)[:5]} were never acknowledged")
    if len(set(writer.acknowledged)) != writer.next:
        problems.append(f"{writer.name}: {len(set(writer.acknowledged))} of {writer.next} batches are acknowledged")
    return problems


def check_seqs(writer):
    """A seq belongs to one row, also across restarts; one writer's grow."""
    ends = [writer.seqs[n] for n in sorted(writer.seqs)]
    for earlier, later in itertools.pairwise(ends):
        if later - earlier < writer.route.rows:
            return [f"{writer.name}: a batch up to seq {later} follows one up to seq {earlier}, of {writer.route.rows} rows"]
    return []


def check_table(connection, writer):
    """Problems, and how many rows there are."""
    columns = "id, v" if writer.route.keyed else "id"
    try:
        found = connection.execute(f"SELECT {columns} FROM lake.main.{writer.name}").fetchall()
    except duckdb.CatalogException as error:
        missing = f"{writer.name}: acknowledged, but the table is missing: {error}"
        return ([missing] if writer.acknowledged else []), 0
    except duckdb.Error as error:
        return [f"{writer.name}: the table cannot be read: {error}"], 0
    problems = check_keyed(writer, found) if writer.route.keyed else check_append(writer, [row[0] for row in found])
    if writer.route.tokens:
        problems += check_tokens(writer)
    return problems + check_seqs(writer) + writer.problems, len(found)
