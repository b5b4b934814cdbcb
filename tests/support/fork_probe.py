"""A module that tests let a `ForkServer` run: it says what it found as a process, then does as its argument says."""

import json
import os
import signal
import sys
import threading
from pathlib import Path

import psutil


def describe() -> dict[str, object]:
    """Return what a process that was started by itself would find."""
    return {
        "arguments": sys.argv[1:],
        "shown": " ".join(psutil.Process().cmdline()).strip(),
        "leads_session": os.getsid(0) == os.getpid(),
        # One more is open while they are listed.
        "n_files": len(list(Path("/proc/self/fd").iterdir())) - 1,
        "n_threads": psutil.Process().num_threads(),
        "cores": sorted(os.sched_getaffinity(0)),
        "device": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "secret": os.environ.get("SECRET"),
        "blas": os.environ.get("OPENBLAS_NUM_THREADS"),
        "parent": os.getppid(),
        "handlers": [
            signal.getsignal(signal.SIGINT) is signal.default_int_handler,
            signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
        ],
        "blocked": list(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "draw": sys.modules["numpy"].random.random() if "numpy" in sys.modules else None,
    }


def run_a_thread() -> None:
    """Leave a thread behind, as an import may."""
    threading.Thread(target=threading.Event().wait, daemon=True).start()


def count_threads_of_tensorflow() -> int:
    """Compute something, and return how many threads there are then."""
    import tensorflow as tf

    tf.reduce_sum(tf.ones((1000, 1000)) @ tf.ones((1000, 1000)))
    return psutil.Process().num_threads()


def main() -> None:
    """Say it, and end as asked: with a status, or when standard input does."""
    found = describe()
    if "tensorflow" in sys.argv:
        found["n_threads_of_tensorflow"] = count_threads_of_tensorflow()
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    if "wait" in sys.argv:
        os.read(0, 1)
    sys.exit(next((int(word) for word in sys.argv[1:] if word.isdigit()), 0))


if __name__ == "__main__":
    main()
