"""Checksums of published files."""

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast

_CHUNK_BYTES = 2**20
#: No published file expands to more than 47 MB; a longer one is another file.
_MAX_CONTENT_BYTES = 2**30


@dataclass(frozen=True, kw_only=True)
class Checksum:
    """The digest that a published file must have."""

    algorithm: Literal["sha256", "md5"]
    #: In lower-case hexadecimal.
    digest: str
    #: `content`: of the decompressed bytes, which recompressing does not change. `gz`: of the file as published.
    of: Literal["content", "gz"]


def file_matches(path: Path, checksum: Checksum) -> bool | None:
    """Say whether the file has that checksum, compressed or not, independently of its name.

    Returns:
        None when there is nothing to compare: a checksum of the `.gz` file does not apply to a decompressed file.
    """
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if checksum.of == "gz":
            return _hexdigest(file, checksum) == checksum.digest if compressed else None
        if not compressed:
            return _hexdigest(file, checksum) == checksum.digest
        try:
            with gzip.open(file) as content:
                return _hexdigest(cast("BinaryIO", content), checksum) == checksum.digest
        except (OSError, EOFError, zlib.error):
            return False


def _hexdigest(file: BinaryIO, checksum: Checksum) -> str:
    digest = hashlib.new(checksum.algorithm, usedforsecurity=False)
    n_bytes = 0
    while n_bytes <= _MAX_CONTENT_BYTES and (chunk := file.read(_CHUNK_BYTES)):
        digest.update(chunk)
        n_bytes += len(chunk)
    return digest.hexdigest()
