"""Images that are larger than memory: an epoch of ours against Keras' `fit` on `tf.data` and on a `PyDataset`.

    PYTHONPATH=tests python bench/streaming.py                          20 GB, at most 2 GiB of memory
    PYTHONPATH=tests python bench/streaming.py --gigabytes 2 --memory 1

Makes RGB images of 64 x 64 pixels in one file, and trains one net on them in a process for each way, one after another;
`--rounds` repeats all of them. The process may take that much memory of its own (`ulimit -d`); the file's pages are
dropped before each epoch. The page cache is limited only where the whole benchmark is, as by
`systemd-run --scope -p MemoryMax=2G -p MemorySwapMax=0`.

| way | reads | shuffles |
|---|---|---|
| ours | chunks, each in the file's order, while the last one is trained on | over all images |
| tf.data | the file from its beginning, records of fixed length | in a buffer of 8,192 images |
| PyDataset | each batch by its indices from the mapped file, in 2 threads | over all images |
"""

import argparse
import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from machine import RESULTS, describe_machine

SIDE, CHANNELS, N_CLASSES = 64, 3, 10
IMAGE_BYTES = SIDE * SIDE * CHANNELS
BATCH_SIZE, BUFFER = 128, 8192
WAYS = ("ours", "tf.data", "PyDataset")
_GB, _GIB = 10**9, 2**30


def write_images(folder: Path, n_images: int) -> None:
    """Write images of noise in which the label's row is bright, some thousand at a time."""
    n_free = shutil.disk_usage(folder).free
    if n_images * IMAGE_BYTES > n_free:
        raise SystemExit(
            f"Received --gigabytes {n_images * IMAGE_BYTES / _GB:.1f}; {n_free / _GB:.1f} GB are free in {folder}. "
            "Expected less, or --folder on a larger disk."
        )
    random = np.random.default_rng(0)
    labels = random.integers(0, N_CLASSES, n_images)
    np.save(folder / "labels.npy", labels)
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, shape=(n_images, SIDE, SIDE, CHANNELS))
    for first in range(0, n_images, BUFFER):
        part = labels[first : first + BUFFER]
        noise = random.integers(0, 200, (len(part), SIDE, SIDE, CHANNELS), dtype=np.uint8)
        noise[np.arange(len(part)), 6 * part] = 255
        images[first : first + len(part)] = noise
    images.flush()


def build(net: str) -> Any:
    """Return a compiled net that takes floats in [0, 1]."""
    import keras
    from keras import layers

    body = {
        "mlp": [layers.Flatten(), layers.Dense(32, activation="relu")],
        "cnn": [
            layers.Conv2D(16, 5, strides=4, activation="relu"),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.Flatten(),
        ],
    }[net]
    model = keras.Sequential(
        [layers.Input((SIDE, SIDE, CHANNELS)), *body, layers.Dense(N_CLASSES, activation="softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train_ours(folder: Path, net: str, epochs: int) -> list[float]:
    """Return the seconds of each epoch."""
    from tuner.datasets.images import LabelledImages
    from tuner.training.plan import TrainingData, TrainingPlan
    from tuner.training.programs.cache import ProgramCache
    from tuner.training.train import train

    images = LabelledImages(
        images=np.asarray(np.load(folder / "images.npy", mmap_mode="r")),
        labels=np.load(folder / "labels.npy"),
        class_names=tuple(map(str, range(N_CLASSES))),
    )
    plan = TrainingPlan(epochs=epochs, batch_size=BATCH_SIZE, seed=0)
    seconds: list[float] = []

    def on_epoch(result: Any) -> None:
        seconds.append(result.duration_s)
        drop_pages(folder)

    train(
        build(net),
        TrainingData(train=images, validation=None),
        plan,
        on_epoch=on_epoch,
        programs=ProgramCache(images="streamed"),
    )
    return seconds


def train_with_keras(data: Any, folder: Path, net: str, epochs: int) -> list[float]:
    """Return the seconds of each epoch of `fit`."""
    import keras

    seconds: list[float] = []

    class Clock(keras.callbacks.Callback):  # type: ignore[misc] # Keras ships no types
        def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
            del epoch, logs
            drop_pages(folder)
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
            del epoch, logs
            seconds.append(time.perf_counter() - self.began)

    build(net).fit(data, epochs=epochs, callbacks=[Clock()], verbose=0)
    return seconds


def train_on_tf_data(folder: Path, net: str, epochs: int) -> list[float]:
    """Train on records that are decoded and shuffled by `tf.data`."""
    import tensorflow as tf

    path = folder / "images.npy"
    header_bytes = path.stat().st_size % IMAGE_BYTES
    records = tf.data.FixedLengthRecordDataset(str(path), IMAGE_BYTES, header_bytes=header_bytes, buffer_size=2**23)
    labels = tf.data.Dataset.from_tensor_slices(np.load(folder / "labels.npy"))

    def decode(batch: Any, targets: Any) -> Any:
        pixels = tf.reshape(tf.io.decode_raw(batch, tf.uint8), (-1, SIDE, SIDE, CHANNELS))
        return tf.cast(pixels, tf.float32) / 255, targets

    data = tf.data.Dataset.zip((records, labels)).shuffle(BUFFER).batch(BATCH_SIZE)
    data = data.map(decode, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    return train_with_keras(data, folder, net, epochs)


def train_on_py_dataset(folder: Path, net: str, epochs: int) -> list[float]:
    """Train on a `PyDataset` that takes each batch from the mapped file."""
    import keras

    images, labels = np.load(folder / "images.npy", mmap_mode="r"), np.load(folder / "labels.npy")

    class Batches(keras.utils.PyDataset):  # type: ignore[misc] # Keras ships no types
        def __init__(self) -> None:
            super().__init__(workers=2)
            self.random = np.random.default_rng(0)
            self.on_epoch_end()

        def on_epoch_end(self) -> None:
            self.order = self.random.permutation(len(labels))

        def __len__(self) -> int:
            return math.ceil(len(labels) / BATCH_SIZE)

        def __getitem__(self, index: int) -> Any:
            rows = np.sort(self.order[index * BATCH_SIZE : (index + 1) * BATCH_SIZE])
            return images[rows].astype(np.float32) / 255, labels[rows]

    return train_with_keras(Batches(), folder, net, epochs)


TRAIN: Mapping[str, Callable[[Path, str, int], list[float]]] = {
    "ours": train_ours,
    "tf.data": train_on_tf_data,
    "PyDataset": train_on_py_dataset,
}


def drop_pages(folder: Path) -> None:
    """Let the system forget what it has read of the images."""
    with (folder / "images.npy").open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure_here(way: str, folder: Path, net: str, epochs: int, memory_bytes: int) -> dict[str, Any]:
    """Train in this process, which takes no more memory of its own than is said."""
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    largest = {"RssAnon": 0, "RssFile": 0}
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(0.1):
            status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
            for name, kib in largest.items():
                largest[name] = max(kib, int(status[name].split()[0]))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    drop_pages(folder)
    before = time.process_time()
    seconds = TRAIN[way](folder, net, epochs)
    is_over.set()
    watcher.join()
    return {
        "seconds": seconds,
        "cpu_s": time.process_time() - before,
        **{f"largest_{name}_mib": kib / 1024 for name, kib in largest.items()},
    }


def measure(way: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Train in a process of its own."""
    command = [sys.executable, __file__, "--measure", way, "--folder", str(folder)]
    command += ["--net", options.net, "--epochs", str(options.epochs), "--memory", str(options.memory)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        return {"failed": run.stderr[-500:]}
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure all ways, and store and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=20.0)
    parser.add_argument("--memory", type=float, default=2.0, help="GiB that a process may take of its own")
    parser.add_argument("--net", choices=("mlp", "cnn"), default="cnn")
    parser.add_argument("--epochs", type=int, default=3, help="the first one, which compiles, is not counted")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="of the images, which are removed again")  # noqa: S108
    parser.add_argument("--measure", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        found = measure_here(options.measure, options.folder, options.net, options.epochs, int(options.memory * _GIB))
        print(json.dumps(found))
        return
    n_images = int(options.gigabytes * _GB / IMAGE_BYTES)
    results: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="tuner-streaming-") as name:
        folder = Path(name)
        write_images(folder, n_images)
        for _ in range(options.rounds):
            for way in WAYS:
                results[way].append(measure(way, folder, options))
                print(way, json.dumps(results[way][-1]), flush=True)
    medians = {
        way: statistics.median(seconds for run in runs for seconds in run["seconds"][1:])
        for way, runs in results.items()
        if all("seconds" in run for run in runs)
    }
    others = [seconds for way, seconds in medians.items() if way != "ours"]
    summary = {
        "machine": describe_machine(),
        "net": options.net,
        "gigabytes": options.gigabytes,
        "memory_gib": options.memory,
        "images": n_images,
        "median_epoch_s": medians,
        "times_as_fast_as_the_better": min(others) / medians["ours"] if others else None,
        "runs": results,
    }
    (RESULTS / f"streaming-{options.net}.json").write_text(json.dumps(summary, indent=2) + "\n")
    print(json.dumps({key: summary[key] for key in ("median_epoch_s", "times_as_fast_as_the_better")}))


if __name__ == "__main__":
    main()
