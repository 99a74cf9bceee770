"""The work of bench/profile.mjs: one kind of the benchmark's work on a running server; prints how many units it was."""

import json

from common import BATCH_ROWS, options, rows
from eider_bench import WAYS, connect, in_batches, measure_way

SELECTS = 2_000


def bulk(given: dict) -> tuple[int, str]:
    table = rows(given["rows"])
    with connect(given) as connection, connection.cursor() as cursor:
        for run in range(given["repeat"]):
            cursor.adbc_ingest(f"bulk_{run}", in_batches(table), mode="create")
    return given["rows"] * given["repeat"], "rows"


def select(given: dict) -> tuple[int, str]:
    with connect(given) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("select_all", rows(BATCH_ROWS), mode="create")
        cursor.execute("CALL duckling_queue_flush('main.select_all')")
        cursor.execute("INSERT INTO select_all SELECT t.* FROM select_all t, range(30)")
        count = 31 * BATCH_ROWS
        for _ in range(given["repeat"]):
            cursor.execute("SELECT * FROM select_all")
            if cursor.fetch_arrow_table().num_rows != count:
                raise SystemExit("SELECT * lost rows")
    return count * given["repeat"], "rows"


def one(given: dict) -> tuple[int, str]:
    with connect(given) as connection, connection.cursor() as cursor:
        for _ in range(SELECTS):
            cursor.execute("SELECT 1")
            cursor.fetchall()
    return SELECTS, "queries"


def way(given: dict) -> tuple[int, str]:
    # The warm-up is in the profile, too.
    figures = measure_way(given["work"], given)
    share = (given["seconds"] + given["warmUpSeconds"]) / given["seconds"]
    return round(figures["count"] * share), "calls"


if __name__ == "__main__":
    given = options()
    work = way if given["work"] in WAYS else {"bulk": bulk, "select": select, "one": one}[given["work"]]
    units, unit = work(given)
    print(json.dumps({"units": units, "unit": unit}))
