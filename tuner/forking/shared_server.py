"""The name under which all processes of one user find the fork server that serves all of them.

It is a name of Linux' abstract sockets: no file is left behind, and it is free as soon as its process ends. Everybody
on the machine may connect to such a name or take it first, so that each side looks at whose process the other one is.
"""

import hashlib
import json
import os
import socket
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

#: Attempts to connect: a server may end just when it is found, and another process may start the next one.
_ATTEMPTS = 5
#: Connections that wait while the server imports.
_BACKLOG = 128
_NAMESPACES = ("mnt", "pid", "user")


def name_for(environment: Mapping[str, str], imports: Sequence[str]) -> str:
    """Return the name of the server that has imported this with these variables, in this folder and on these cores.

    Containers that share a network share such names, but not what is in them: they have names of their own.
    """
    namespaces = [str(Path(f"/proc/self/ns/{name}").readlink()) for name in _NAMESPACES]
    place = [os.getuid(), *namespaces, sys.executable, str(Path.cwd()), sorted(os.sched_getaffinity(0)), os.nice(0)]
    content = json.dumps([place, list(imports), sorted(environment.items())])
    return f"tuner-fork-server-{hashlib.sha256(content.encode()).hexdigest()[:32]}"


def connect(name: str, start: Callable[[], object]) -> socket.socket:
    """Connect to this user's server of that name, starting it where there is none.

    Args:
        name: See `name_for`.
        start: Starts a server of that name, and returns when it or another one listens.

    Raises:
        OSError: None can be started, or another user has taken the name.
    """
    for _ in range(_ATTEMPTS):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.connect(f"\0{name}")
        except ConnectionRefusedError:
            connection.close()
            start()
            continue
        if not is_of_this_user(connection):
            connection.close()
            raise PermissionError(f"Another user's process listens as {name}.")
        return connection
    raise ConnectionRefusedError(f"No process listens as {name}, although {_ATTEMPTS} were started.")


def is_of_this_user(connection: socket.socket) -> bool:
    """Say whether the process at the other end is one of this user."""
    form = "3i"
    _, uid, _ = struct.unpack(form, connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize(form)))
    return bool(uid == os.getuid())


def listen_in_background(name: str) -> socket.socket | None:
    """Listen under the name, in a process that nobody waits for: the one that calls ends. None: the name is taken."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        listener.bind(f"\0{name}")
    except OSError:
        listener.close()
        return None
    listener.listen(_BACKLOG)
    # An engine that ends a process may end its children too, but does not look for such a one.
    if os.fork():
        os._exit(0)
    os.setsid()
    return listener
