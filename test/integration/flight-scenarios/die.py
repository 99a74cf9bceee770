"""Half an ingest and then the end: argument 1 is the server's URI, argument 2 how the client ends."""

import json
import os
import signal
import sys

import adbc_driver_flightsql.dbapi as dbapi
import pyarrow as pa

SCHEMA = pa.schema([("x", pa.int64())])
uri, how = sys.argv[1:]


def batches():
    for _ in range(50):
        yield pa.record_batch([list(range(1000))], schema=SCHEMA)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise ValueError("the reader failed")


with dbapi.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
    try:
        cursor.adbc_ingest("half", pa.RecordBatchReader.from_batches(SCHEMA, batches()), mode="create")
        print(json.dumps("ingested"))
    except Exception as error:
        print(json.dumps(str(error)))
