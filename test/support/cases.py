"""
Runs the functions case_* of a module (a path) against a server and prints what became of each as one JSON line. What the
modules share is here as well.
"""

import argparse
import importlib
import json
import os
import sys
import threading
import time
import traceback
import urllib.request
from pathlib import Path


def wait_until(condition, what, timeout_s=120.0):
    """Waits for a condition, not for a time; the bound only ends a test that would never end."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"never happened: {what}")


def metric(server, name):
    """A metric without labels, as /metrics says now."""
    text = urllib.request.urlopen(f"{server['http']}/metrics").read().decode()
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


def wait_until_idle(server):
    wait_until(lambda: metric(server, "eider_queries_running") == 0, "no statement runs")


def cancel_while_running(server, cursor, run):
    """Cancels it, in a thread of its own, once its statement runs; returns the error that it ended with."""
    return fail_while_running(server, run, cursor.adbc_cancel)


def fail_while_running(server, run, end):
    """The same for whatever else ends the statement."""
    failed = []

    def until_failure():
        try:
            run()
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=until_failure)
    thread.start()
    wait_until(lambda: metric(server, "eider_queries_running") == 1, "the statement runs")
    end()
    thread.join()
    assert failed, "the statement was not ended"
    wait_until_idle(server)
    return failed[0]


def raises(error, call, *words):
    try:
        call()
    except error as caught:
        for word in words:
            assert word in str(caught), f"{word!r} is not in {caught}"
        return caught
    raise AssertionError(f"no {error.__name__} was raised")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("module", type=Path)
    parser.add_argument("--uri", required=True)
    parser.add_argument("--http", required=True)
    parser.add_argument("--data", help="the server's data folder")
    parser.add_argument("--only", default="case_", help="beginning of the cases' names")
    arguments = parser.parse_args()
    sys.path.insert(0, str(arguments.module.parent))
    module = importlib.import_module(arguments.module.stem)
    server = {"uri": arguments.uri, "http": arguments.http, "data": arguments.data}
    results = {}
    for name, case in vars(module).items():
        if not name.startswith(arguments.only):
            continue
        try:
            case(server)
            results[name] = None
        except BaseException:  # noqa: BLE001 - the report is the point
            results[name] = traceback.format_exc()
    print(json.dumps(results))
    sys.stdout.flush()
    # Not the ordinary end: threads of Arrow that still start when the interpreter ends abort the process.
    os._exit(0)


if __name__ == "__main__":
    main()
