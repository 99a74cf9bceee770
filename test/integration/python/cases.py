"""Runs the functions named case_* of a module against a server and prints what became of each as one JSON line."""

import argparse
import importlib
import json
import sys
import time
import traceback


def wait_until(condition, what, timeout_s=120.0):
    """Waits for a condition, not for a time; the bound only ends a test that would never end."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"never happened: {what}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("module")
    parser.add_argument("--uri", required=True)
    parser.add_argument("--http", required=True)
    arguments = parser.parse_args()
    module = importlib.import_module(arguments.module)
    server = {"uri": arguments.uri, "http": arguments.http}
    results = {}
    for name, case in vars(module).items():
        if not name.startswith("case_"):
            continue
        try:
            case(server)
            results[name] = None
        except BaseException:  # noqa: BLE001 - the report is the point
            results[name] = traceback.format_exc()
    print(json.dumps(results))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
