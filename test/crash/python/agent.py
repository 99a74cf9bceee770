"""Writes and judges for the crash tests, one job a line; it outlives the servers, as clients do, and keeps their history.

{"do": "begin", "routes"}                              a new data folder: forgets everything
{"do": "write", "uri", "count"}                        every writer, until the server dies or the work is done
{"do": "judge", "data_dir", "catalog", "data_path", "extension"}   the lake of a server that was stopped
    "watermarks": false: housekeeping has written files, which move none
"""

from jobs import serve
from judge import check_table
from lake_checks import check_files, check_leftovers, check_watermarks, open_lake
from operations import ROUTES
from writers import Writer, write


class Agent:
    def __init__(self):
        self.writers = []

    def begin(self, job):
        self.writers = [Writer(name) for name in job["routes"] or ROUTES]

    def write(self, job):
        return write(self.writers, job["uri"], job["count"])

    def judge(self, job):
        rows, problems = {}, check_leftovers(job["data_dir"])
        with open_lake(job["catalog"], job["data_path"], job["extension"]) as connection:
            for writer in self.writers:
                found, rows[writer.name] = check_table(connection, writer)
                problems += found
            if job.get("watermarks", True):
                problems += check_watermarks(connection, self.writers)
            found, orphans = check_files(connection, job["data_path"])
            problems += found
        acknowledged = sum(len(writer.acknowledged) for writer in self.writers)
        doubtful = sum(len(writer.doubtful) for writer in self.writers)
        return {"problems": problems, "rows": rows, "orphans": orphans, "acknowledged": acknowledged, "doubtful": doubtful}


if __name__ == "__main__":
    agent = Agent()
    serve({"begin": agent.begin, "write": agent.write, "judge": agent.judge})
