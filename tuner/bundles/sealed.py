"""A zip that holds the hashes of its members, so that damage is found before anything is decoded.

Members are uncompressed: none is larger in memory than the file on disk. The member `SHA256SUMS` has the format of
`sha256sum`: in an unpacked folder, `sha256sum -c SHA256SUMS` checks the others.
"""

import io
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from typing import IO

from tuner.errors import shorten

_SUMS = "SHA256SUMS"
#: Of a member for which no other limit is given, such as a builder's source file.
_MAX_BYTES = 4 * 1024**2
#: Most characters of a message that quotes the file, such as those of `zipfile`.
_MAX_WORDS = 200

#: Errors that `zipfile` raises for bytes that are no zip, or a damaged one.
_ZIP_ERRORS = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OSError)


class NotSealedError(Exception):
    """The file is not a zip with hashes; the message says what was found."""


class SealBrokenError(Exception):
    """A member has changed since the zip was made; the message says which."""


def seal(members: Mapping[str, bytes]) -> bytes:
    """Return a zip of these members and their hashes; equal members give equal bytes."""
    sums = "".join(f"{sha256(content).hexdigest()}  {name}\n" for name, content in members.items())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {**members, _SUMS: sums.encode()}.items():
            # A ZipInfo made here holds no time, so that equal members give equal bytes.
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def unseal(file: IO[bytes], *, max_bytes: Mapping[str, int]) -> dict[str, bytes]:
    """Return the members of a sealed zip by name, their sizes and hashes checked.

    Args:
        file: Open for reading, at any position; it stays open.
        max_bytes: The size limits of members by name; 4 MiB for all others.

    Raises:
        NotSealedError: No zip, no hashes in it, or a member that is compressed or too large.
        SealBrokenError: A member has changed, was added or is missing.
    """
    try:
        archive = zipfile.ZipFile(file)
    except _ZIP_ERRORS as error:
        raise NotSealedError(f"no zip file, or one cut short ({shorten(str(error), width=_MAX_WORDS)})") from error
    with archive:
        _check_sizes(archive, max_bytes, file.seek(0, io.SEEK_END))
        try:
            members = {name: archive.read(name) for name in archive.namelist()}
            lines = members.pop(_SUMS).decode().splitlines()
        except _ZIP_ERRORS as error:
            raise SealBrokenError(shorten(str(error), width=_MAX_WORDS)) from error
    if sorted(lines) != sorted(f"{sha256(content).hexdigest()}  {name}" for name, content in members.items()):
        names = shorten(", ".join(members), width=_MAX_WORDS)
        raise SealBrokenError(f"{names} and {_SUMS} do not belong together")
    return members


def _check_sizes(archive: zipfile.ZipFile, max_bytes: Mapping[str, int], n_bytes: int) -> None:
    names, members = archive.namelist(), archive.infolist()
    if _SUMS not in names or len(set(names)) != len(names):
        raise NotSealedError(f"a zip file of {len(names)} members without one {_SUMS}")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise NotSealedError("its members are compressed")
    if sum(member.file_size for member in members) > n_bytes or any(
        member.file_size > max_bytes.get(member.filename, _MAX_BYTES) for member in members
    ):
        raise NotSealedError("its members are too large")
