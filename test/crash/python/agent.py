"""Writes and judges for the crash tests, one job a line; it outlives the servers, as clients do, and keeps their history.

{"do": "begin", "routes"}                              a new data folder: forgets everything
{"do": "write", "uri", "count"}                        every writer, until the server dies or the work is done
{"do": "turn", "route"}                                that route's writer goes on in a new table, whose name is returned
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
        # Their tables are full, and judged with the others at the end.
        self.past = []

    def begin(self, job):
        self.writers = [Writer(name) for name in job["routes"] or ROUTES]
        self.past = []

    def write(self, job):
        return write(self.writers, job["uri"], job["count"])

    def turn(self, job):
        [index] = [i for i, writer in enumerate(self.writers) if writer.route_name == job["route"]]
        self.past.append(self.writers[index])
        self.writers[index] = self.past[-1].successor()
        return self.writers[index].name

    def judge(self, job):
        writers = [*self.past, *self.writers]
        rows, problems = {}, check_leftovers(job["data_dir"])
        with open_lake(job["catalog"], job["data_path"], job["extension"]) as connection:
            for writer in writers:
                found, rows[writer.name] = check_table(connection, writer)
                problems += found
            if job.get("watermarks", True):
                problems += check_watermarks(connection, writers)
            found, orphans = check_files(connection, job["data_path"])
            problems += found
        acknowledged = sum(len(writer.acknowledged) for writer in writers)
        doubtful = sum(len(writer.doubtful) for writer in writers)
        return {"problems": problems, "rows": rows, "orphans": orphans, "acknowledged": acknowledged, "doubtful": doubtful}


if __name__ == "__main__":
    agent = Agent()
    serve({"begin": agent.begin, "turn": agent.turn, "write": agent.write, "judge": agent.judge})
