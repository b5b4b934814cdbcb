"""Download one published file, whole or not at all; after a broken connection the download goes on where it ended."""

import fcntl
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import requests
import urllib3

from tuner.datasets.published.checksum import Checksum, file_matches
from tuner.errors import TunerError

_CONNECT_TIMEOUT_S = 10
_READ_TIMEOUT_S = 30
_CHUNK_BYTES = 2**16
#: The largest published file has 26 MB; a server must not fill the disk.
_MAX_FILE_BYTES = 2**30
#: Attempts for one URL, as long as each adds to the file.
_MAX_ATTEMPTS = 5

#: Called with the number of bytes that are there, and of all bytes (None where the server does not say it).
OnProgress = Callable[[int, int | None], None]


class DownloadError(TunerError):
    """No mirror has delivered the file."""

    def __init__(self, target: Path, failures: Sequence[str]) -> None:
        text = (
            f"Could not download {target.name}: {'; '.join(failures)}. Check the network and run the command again, or "
            f"put the file into {target.parent} yourself."
        )
        super().__init__(" ".join(text.split()))


def download_file(urls: Sequence[str], target: Path, *, checksum: Checksum, on_progress: OnProgress) -> None:
    """Download from the first URL that delivers the right content; may be repeated after any failure.

    The bytes are collected in a hidden file beside the target, which replaces the target when its checksum is right.

    Raises:
        DownloadError: No URL delivered the right content, the folder cannot be written, or another process is
            downloading the file.
    """
    partial = target.with_name(f".{target.name}.partial")
    failures: list[str] = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("ab") as file:
            _lock(file, partial, target)
            for url in urls:
                failure = _download_from(url, file, partial, checksum=checksum, on_progress=on_progress)
                if not failure:
                    os.fsync(file.fileno())
                    partial.replace(target)
                    return
                failures.append(f"{url}: {failure}")
            if _size(file) == 0:
                partial.unlink()
    except OSError as error:
        failures.append(f"{target.parent}: {error.strerror or error}")
    raise DownloadError(target, failures)


def _lock(file: BinaryIO, partial: Path, target: Path) -> None:
    """Keep two processes from writing one file; the lock ends with the process."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The process that held the lock before may have renamed this file to the target.
        is_ours = partial.exists() and partial.stat().st_ino == os.fstat(file.fileno()).st_ino
    except BlockingIOError:
        is_ours = False
    if not is_ours:
        raise DownloadError(target, ["another process is downloading it"])


def _download_from(url: str, file: BinaryIO, partial: Path, *, checksum: Checksum, on_progress: OnProgress) -> str:
    """Return why the URL did not deliver the right content, or empty text when it did."""
    failure = ""
    for _ in range(_MAX_ATTEMPTS):
        n_before = _size(file)
        try:
            _append(url, file, on_progress)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            failure = _describe(error)
            if _size(file) <= n_before:
                return failure
            continue
        file.flush()
        if file_matches(partial, checksum):
            return ""
        failure = f"its {checksum.algorithm} is not the published one"
        file.truncate(0)
        if n_before == 0:
            return failure
    return failure


def _append(url: str, file: BinaryIO, on_progress: OnProgress) -> None:
    """Append what is missing, or start from the beginning where the server cannot continue."""
    n_there = _size(file)
    # Without it, servers that declare a .gz file as a compressed transfer would have it unpacked on the way.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={n_there}-"} if n_there else {})
    timeout = (_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S)
    with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            return  # nothing is missing, or the checksum will say that something is wrong
        response.raise_for_status()
        if not response.headers.get("Content-Range", "").startswith(f"bytes {n_there}-"):
            file.truncate(0)
            n_there = 0
        length = response.headers.get("Content-Length", "")
        total = n_there + int(length) if length.isdigit() else None
        for chunk in response.raw.stream(_CHUNK_BYTES, decode_content=False):
            n_there += file.write(chunk)
            if n_there > _MAX_FILE_BYTES:
                raise requests.RequestException(f"more than {_MAX_FILE_BYTES} bytes")
            on_progress(n_there, total)


def _size(file: BinaryIO) -> int:
    return file.seek(0, os.SEEK_END)


def _describe(error: Exception) -> str:
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answered {error.response.status_code}"
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return "the server did not answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, urllib3.exceptions.ProtocolError):
        return "the connection was cut"
    return str(error)
