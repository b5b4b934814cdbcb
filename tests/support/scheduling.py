"""How pytest-xdist divides the tests among few processes: file by file, but together what shares a costly start.

Commands of `tests/e2e` are forked by one process that has imported TensorFlow, workers of the fault tests by another:
six seconds of a core each, once for each of pytest's processes that runs such a file. Dashboards' server takes three.
"""

from collections.abc import Mapping

from xdist.scheduler import LoadFileScheduling

#: More processes than these finish sooner when they share the files of a folder too.
FEW_PROCESSES = 4
_TOGETHER: Mapping[str, str] = {
    "tests/chaos/": "forked workers",
    "tests/integration/workers/": "forked workers",
    "tests/e2e/": "forked commands",
    "tests/integration/dashboard/": "forked dashboards",
}


class SharedStarts(LoadFileScheduling):
    """Divides by files and by the folders above."""

    def _split_scope(self, nodeid: str) -> str:
        return next(
            (what for folder, what in _TOGETHER.items() if nodeid.startswith(folder)), nodeid.partition("::")[0]
        )
