"""DuckDB beside Eider, on the same lake."""

import duckdb


def open_lake(job):
    """A connection in the lake's schema main, as the job's "extensions", "setup" and "attach" say."""
    connection = duckdb.connect()
    for extension in job["extensions"]:
        connection.execute(f"LOAD '{extension}'")
    for sql in [*job["setup"], job["attach"], "USE lake.main"]:
        connection.execute(sql)
    return connection
