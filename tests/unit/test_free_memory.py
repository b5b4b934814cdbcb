import resource
from pathlib import Path

import psutil
import pytest

from tuner.free_memory import free_memory_bytes

_MIB = 2**20


def _write_group(folder: Path, *, version: int, limit: str, used: int, file_pages: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    prefix = "" if version == 2 else "total_"
    (folder / "memory.stat").write_text(f"{prefix}inactive_file {file_pages}\n{prefix}active_file 0\nother 5\n")


def _free(tmp_path: Path, groups: str) -> int:
    (tmp_path / "cgroup").write_text(groups)
    return free_memory_bytes(cgroups=tmp_path / "groups", process=tmp_path)


def test_without_limits_what_is_available_on_the_machine_is_free(tmp_path: Path) -> None:
    assert 2**20 < _free(tmp_path, "0::/\n") <= psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("version", "line", "root"), [(2, "0::/box/inner\n", ""), (1, "4:cpu,memory:/box/inner\n", "memory")]
)
def test_a_container_s_limit_counts_and_pages_of_files_are_free(
    version: int, line: str, root: str, tmp_path: Path
) -> None:
    groups = tmp_path / "groups" / root
    # Another group of that version has no limit, and the root of version 2 has no such files.
    _write_group(
        groups / "box/inner", version=version, limit="max" if version == 2 else str(2**60), used=1, file_pages=0
    )
    _write_group(groups / "box", version=version, limit=str(64 * _MIB), used=60 * _MIB, file_pages=40 * _MIB)

    assert _free(tmp_path, line) == 44 * _MIB


def test_a_container_does_not_see_the_groups_around_it(tmp_path: Path) -> None:
    _write_group(tmp_path / "groups/memory", version=1, limit=str(64 * _MIB), used=0, file_pages=0)

    assert _free(tmp_path, "4:memory:/docker/of-the-host\n") == 64 * _MIB


def test_a_limit_of_the_process_counts(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    taken = psutil.Process().memory_info().data
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (taken + 100 * _MIB, before[1]))
        free = _free(tmp_path, "0::/\n")
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)

    assert 50 * _MIB < free <= 100 * _MIB
