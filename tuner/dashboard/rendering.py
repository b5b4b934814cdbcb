"""`python -m tuner.dashboard.rendering`: one report, rendered by a process that then ends.

So Plotly and a study of 10,000 trials take no memory from the server, and no time from its other visitors.
"""

import json
import os
import sys

from tuner.errors import TunerError

#: Politeness towards workers on the same machine.
_NICENESS = 10


def main() -> None:
    """Read `{storage, artifacts, studies}` from standard input and write the page to standard output.

    Standard input, because everybody on the machine can read a process' arguments and the URL holds a password.
    """
    os.nice(_NICENESS)
    wanted = json.load(sys.stdin)
    from tuner.artifacts import ArtifactStore
    from tuner.report.page import render_report
    from tuner.studies.reading import load_scores
    from tuner.studies.storage import open_storage_to_read

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
