"""The other end of PythonAgent (python-agent.ts): a job a line, an answer a line."""

import json
import sys


def serve(jobs, default=None):
    """
    Until the input ends: calls `jobs[job["do"]](job)` and answers with its result, or with its error. `default`: makes JSON
    of values that have none.
    """
    for line in sys.stdin:
        job = json.loads(line)
        try:
            answer = {"result": jobs[job["do"]](job)}
        except Exception as error:  # noqa: BLE001 - the test shows it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer, default=default), flush=True)


def methods_of(agent):
    """A job for each public method, by its name."""
    return {name: getattr(agent, name) for name in dir(agent) if not name.startswith("_")}
