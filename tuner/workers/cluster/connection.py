"""Join a Ray cluster, and say in one line why it does not take us."""

import atexit
import contextlib
import logging
import os
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tuner.errors import TunerError
from tuner.extras import ExtraMissingError
from tuner.settings import Settings
from tuner.workers.cluster.head import HeadLostError

#: Separates our actors from those of others on the same cluster.
_NAMESPACE = "tuner"
#: Seconds for a cluster to answer, and for its nodes to be looked at.
_CONNECT_S, LOOK_S = 10.0, 60.0
#: What the working directory leaves behind; Ray sends the rest of it to each node.
_NOT_SENT = [".tuner", ".git", ".venv", ".env", "__pycache__", "*.bundle", "*.npz"]
#: How Ray tells versions: first those of the cluster, then those of this process.
_VERSIONS = re.compile(r"Ray: (\S+)\s+Python: (\S+)")


class RayError(TunerError):
    """A Ray cluster does not answer, or cannot do what was asked for."""


@contextlib.contextmanager
def connected(address: str, settings: Settings) -> Iterator[Any]:
    """Connect to the cluster, with the working directory for its workers; yields the module `ray`."""
    try:
        import ray
    except ImportError as error:
        raise ExtraMissingError("ray", needed_for="A Ray cluster") from error
    _check_reachable(address)
    # Ray reports how it is used; this command does not decide that for a cluster, but it starts none.
    try:
        ray.init(
            address=address,
            namespace=_NAMESPACE,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"working_dir": str(Path.cwd()), "excludes": [*_NOT_SENT, *_own_folders(settings)]},
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise RayError(describe_refusal(address, error)) from error
    try:
        yield ray
    except HeadLostError:
        # Ray would wait for the head here; at the end of the process its threads would crash the interpreter.
        atexit.register(_leave, HeadLostError.exit_status)
        raise
    except BaseException:
        ray.shutdown()
        raise
    ray.shutdown()


def _leave(status: int) -> None:
    """End this process without Ray's part in it; what was written stays written."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def describe_refusal(address: str, error: BaseException) -> str:
    """Return in one line why Ray did not connect; of other versions, which ones there are and here."""
    versions = _VERSIONS.findall(str(error))
    if "Version mismatch" in str(error) and len(versions) == 2:  # noqa: PLR2004 - of the cluster, and of this process
        (ray, python), (own_ray, own_python) = versions
        return (
            f"The Ray cluster at {address} has Ray {ray} and Python {python}, this machine Ray {own_ray} and Python "
            f"{own_python}. Install the same versions on both."
        )
    return f"Could not join the Ray cluster at {address}: {first_words(error)}"


def _check_reachable(address: str) -> None:
    """Refuse an address where nothing listens, for which Ray itself would wait much longer."""
    if address == "auto":
        return
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        if parts.hostname is None or parts.port is None:
            raise RayError(f"Received the address {address!r}. Expected auto, HOST:PORT or ray://HOST:PORT.")
        socket.create_connection((parts.hostname, parts.port), timeout=_CONNECT_S).close()
    except (OSError, ValueError) as error:
        raise RayError(f"No Ray cluster answers at {address}: {error}") from error


def _own_folders(settings: Settings) -> list[str]:
    """Return what lies below the working directory and is no source: data, artifacts, logs and caches."""
    here = Path.cwd()
    folders = [settings.home, settings.data_dir, *([] if "://" in settings.artifacts else [Path(settings.artifacts)])]
    return [
        f"/{folder.absolute().relative_to(here)}"
        for folder in folders
        if folder.absolute() != here and folder.absolute().is_relative_to(here)
    ]


def first_words(error: BaseException) -> str:
    """Return the message of one of Ray's errors, which are long, as one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:4])[:400]
