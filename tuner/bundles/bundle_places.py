"""Where a bundle may be: a local file, a URL, or a path in the artifact store as studies record it."""

from pathlib import Path

from tuner.artifacts import ArtifactNotFoundError, ArtifactStore, UnknownArtifactStoreError
from tuner.datasets.reading import LFS_POINTER, is_lfs_pointer, is_pipe_or_device
from tuner.errors import TunerError

#: No bundle is larger; larger files are not read into memory.
MAX_BUNDLE_BYTES = 5 * 1024**3
#: Seconds during which a remote store is retried, while a person waits.
_PATIENCE_S = 20.0


class NotABundleError(TunerError):
    """No such file, or not a bundle."""

    def __init__(self, origin: str, reason: str) -> None:
        super().__init__(
            f"{origin} is not a bundle: {reason}. Expected a *.bundle file that `tuner finals` wrote; "
            "`tuner study show NAME` prints where they are."
        )


def read_bundle_file(place: str | Path, *, artifacts: str | None) -> bytes:
    """Return the bytes of the file.

    Args:
        place: A local file, a URL such as `s3://bucket/folder/x.bundle`, or a path in the artifact store.
        artifacts: Folder or URL of the artifact store; None where `place` is no path in one.

    Raises:
        NotABundleError: None of these can be read.
        ArtifactStoreAwayError: The store cannot be reached.
    """
    text = str(place)
    if "://" in text:
        folder, _, name = text.rpartition("/")
        return _read(folder, name, place=text)
    try:
        if is_pipe_or_device(Path(place)):
            raise NotABundleError(text, "it is a pipe or a device")
        if Path(place).stat().st_size > MAX_BUNDLE_BYTES:
            raise NotABundleError(text, f"it has more than {MAX_BUNDLE_BYTES:,} bytes")
        content = Path(place).read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        if not isinstance(error, FileNotFoundError) or Path(place).is_absolute():
            raise NotABundleError(text, reason) from error
        if artifacts is None:
            raise NotABundleError(text, "No such file here; for a path in a store, name it with `artifacts`") from error
        return _read(artifacts, text, place=text, otherwise=f"No such file here, nor in {artifacts}")
    if is_lfs_pointer(content):
        raise NotABundleError(text, f"it is {LFS_POINTER}")
    return content


def _read(url: str, path: str, *, place: str, otherwise: str = "No such file") -> bytes:
    try:
        return ArtifactStore(url, patience_s=_PATIENCE_S).read(path)
    except ArtifactNotFoundError as error:
        raise NotABundleError(place, otherwise) from error
    except UnknownArtifactStoreError as error:
        raise NotABundleError(place, error.reason) from error
    except (OSError, ValueError, ImportError) as error:
        # Refused by the store.
        raise NotABundleError(place, str(error).rstrip(".") or type(error).__name__) from error
