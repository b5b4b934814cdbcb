"""`python -m tuner.dashboard.rendering`: render one report in a process that then ends.

The server thus needs no memory for Plotly and a study of 10,000 trials, and its other visitors do not wait.
"""

import json
import os
import sys

from tuner.errors import TunerError

#: Workers on the same machine have priority.
_NICENESS = 10


def main() -> None:
    """Read `{storage, artifacts, studies}` from standard input and write the page to standard output.

    Not as arguments: all users of a machine can read those, and the URL may hold a password.
    """
    os.nice(_NICENESS)
    wanted = json.load(sys.stdin)
    from tuner.artifacts import ArtifactStore
    from tuner.report.page import render_report
    from tuner.studies.database.storage import open_storage_to_read
    from tuner.studies.records.reading import load_scores

    try:
        with open_storage_to_read(wanted["storage"]) as storage:
            records = [load_scores(storage, name) for name in wanted["studies"]]
        page = render_report(records, ArtifactStore(wanted["artifacts"]))
    except TunerError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_status)
    sys.stdout.buffer.write(page.encode("utf-8", errors="replace"))


if __name__ == "__main__":
    main()
