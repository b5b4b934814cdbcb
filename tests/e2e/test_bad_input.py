"""Whatever is wrong with what a person brings: one line, status 1, and what was there stays."""

import resource
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import RunHere, start
from PIL import Image

#: Bytes that a process may write to one file: room for a database's tables, none for a report or many slots.
_FULL_DISK_BYTES = 500_000


def write_csv(folder: Path) -> str:
    rows = ["label,pixel0,pixel1,pixel2,pixel3", "a,0,1,2,3", "b,0,NaN,2,3"]
    (folder / "bad.csv").write_text("\n".join(rows) + "\n")
    return "bad.csv"


def write_truncated_idx(folder: Path) -> str:
    header = struct.pack(">4B3I", 0, 0, 8, 3, 100, 28, 28)
    (folder / "train-images-idx3-ubyte").write_bytes(header + bytes(500))
    (folder / "train-labels-idx1-ubyte").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, 100) + bytes(100))
    return "."


def write_pickles(folder: Path) -> str:
    np.savez(folder / "bad.npz", x_train=np.zeros((4, 5, 5), np.uint8), y_train=np.array([{}] * 4, dtype=object))
    return "bad.npz"


def write_nan(folder: Path) -> str:
    np.savez(folder / "bad.npz", x_train=np.full((4, 5, 5), np.nan), y_train=[0, 0, 1, 1])
    return "bad.npz"


def write_one_class(folder: Path) -> str:
    np.savez(folder / "bad.npz", x_train=np.zeros((9, 5, 5), np.uint8), y_train=np.zeros(9))
    return "bad.npz"


def write_huge_picture(folder: Path) -> str:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    for name in "ab":
        (folder / "pictures" / name).mkdir(parents=True)
        Image.new("L", (9, 9)).save(folder / "pictures" / name / "good.png")
    size = struct.pack(">2I5B", 100_000, 100_000, 8, 0, 0, 0, 0)
    (folder / "pictures/a/huge.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")
    )
    return "pictures"


def error_line(stderr: str) -> str:
    (line,) = stderr.splitlines()
    assert line.startswith("tuner: ")
    return line


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (write_csv, "line 3, column pixel1: received NaN"),
        (write_truncated_idx, "its header promises 78400 values"),
        (write_pickles, "a pickle"),
        (write_nan, "a pixel is NaN"),
        (write_one_class, "only the class '0'"),
        (write_huge_picture, "a/huge.png claims more than"),
    ],
)
def test_a_broken_dataset_is_named_in_one_line(
    fail_here: RunHere, folder: Path, write: Callable[[Path], str], expected: str
) -> None:
    assert expected in fail_here("dataset", "show", write(folder))


def run_on_a_full_disk(folder: Path, *arguments: str) -> str:
    """Run a command that cannot write long files, which must fail with status 1, and return its stderr."""
    process = start(folder, *arguments)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (_FULL_DISK_BYTES, _FULL_DISK_BYTES))
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1, stderr
    return stderr


def test_a_full_disk_is_one_line_and_loses_nothing(
    run_here: RunHere, create_tiny: Callable[..., None], folder: Path
) -> None:
    create_tiny()
    (folder / "report.html").write_text("the old one")

    failed_extension = run_on_a_full_disk(folder, "study", "extend", "tiny", "--trials", "50000")
    failed_report = run_on_a_full_disk(folder, "report", "tiny")

    assert "The database failed" in error_line(failed_extension)
    assert "report.html: File too large" in error_line(failed_report)
    assert (folder / "report.html").read_text() == "the old one"
    assert not list(folder.glob(".report*"))
    assert "0/4 trials" in run_here("study", "show", "tiny")
