"""How much more memory this process may take: of the machine, of its container, and of its own limits."""

from collections.abc import Iterator
from pathlib import Path

import psutil

_CGROUPS = Path("/sys/fs/cgroup")
#: By version: the files of the limit and of what is used, and the keys of file pages, which the system takes back.
_FILES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_inactive_file", "total_active_file")),
    2: ("memory.max", "memory.current", ("inactive_file", "active_file")),
}


def free_memory_bytes(*, cgroups: Path = _CGROUPS, process: Path = Path("/proc/self")) -> int:
    """Return how many bytes this process can still take before it is refused memory or ended.

    The least of what is available on the machine, in each control group that the process is in (as a container or a
    batch system sets one), and below `ulimit -d` and `ulimit -v`. Pages of files count as free.

    Args:
        cgroups: Where control groups are mounted.
        process: The process's folder in `/proc`.
    """
    free = [int(psutil.virtual_memory().available), *_free_in_cgroups(cgroups, process), *_free_below_limits()]
    return max(0, min(free))


def _free_in_cgroups(cgroups: Path, process: Path) -> Iterator[int]:
    try:
        lines = (process / "cgroup").read_text().splitlines()
    except OSError:
        # Another system than Linux.
        return
    for line in lines:
        number, controllers, place = line.split(":", 2)
        if number == "0":
            yield from _free_from(cgroups, place, version=2)
        elif "memory" in controllers.split(","):
            yield from _free_from(cgroups / "memory", place, version=1)


def _free_from(root: Path, place: str, *, version: int) -> Iterator[int]:
    """Yield what is free in a group and in each above it; in a container, the groups above may be hidden."""
    limit_name, used_name, file_pages = _FILES[version]
    folder = root / place.lstrip("/")
    for group in (folder, *folder.parents):
        try:
            limit, used = (group / limit_name).read_text().strip(), int((group / used_name).read_text())
            statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):
            # The root of version 2 has no limit, and a container does not see the groups around it.
            limit = "max"
        if limit != "max":
            yield int(limit) - used + sum(int(statistics.get(name, 0)) for name in file_pages)
        if group == root:
            return


def _free_below_limits() -> Iterator[int]:
    try:
        import resource
    except ImportError:
        # Windows has no such limits.
        return
    taken = psutil.Process().memory_info()
    for limit, used in ((resource.RLIMIT_DATA, getattr(taken, "data", 0)), (resource.RLIMIT_AS, taken.vms)):
        allowed = resource.getrlimit(limit)[0]
        if allowed != resource.RLIM_INFINITY:
            yield allowed - used
