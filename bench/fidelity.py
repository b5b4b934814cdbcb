"""What first rungs on a part of the images are worth: two searches of equal CPU time, over several seeds.

    python bench/fidelity.py [--data ~/.cache/tuner/data] [--seeds 3] [--trials 30] [--minutes 10] [--quick]

The one side is today's default, `search.pruning.resource = "epochs"`, with so many trials. The other one has
`"images"`, and trains as many trials as the CPU seconds of the first allow. On both sides the best three configurations
are trained again with three new seeds on all images, which is not counted as time of the search: the best score of more
trials is higher by chance alone. Two data sets: MNIST, and 20,000 RGB pictures that are drawn here. No test set is
opened. Prints a table and writes `bench/results/fidelity.json`.

Twelve searches, of some minutes each on two cores: after `--minutes` no further one begins, and the same command goes
on with those that are left, until it prints the table. What is interrupted begins again with its search.

CPU seconds, not time: the two do not depend on what else the machine does. `--quick` takes the digits and two seeds.
"""

import argparse
import json
import math
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from machine import RESULTS, describe_machine
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tuner.artifacts import ArtifactStore
from tuner.jobs.creation import create_study
from tuner.jobs.fitting.fit import FitRequest, fit
from tuner.jobs.fitting.regime import plan_trial
from tuner.jobs.fitting.setup import TrainingSetup
from tuner.jobs.study.data import DataPlaces, StudyData
from tuner.jobs.study.space import open_definition_space
from tuner.spaces.registry import fixed_hyperparameters
from tuner.studies.database.storage import open_storage
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.making import make_definition
from tuner.studies.lifecycle import stop_study
from tuner.studies.records.reading import load_study
from tuner.studies.records.study import StudyRecord
from tuner.training.session import release_memory
from tuner.workers.loop import Worker, WorkerSettings

#: Epochs of a trial: asha decides after 1 and 3.
EPOCHS = 9
RESOURCES = ("epochs", "images")
#: A side that may train as many trials as it has time for asks for so many times as many.
_MORE = 6
_CLASSES = ("circle", "square", "triangle", "ring", "cross", "stripes", "dots")


@dataclass(frozen=True, kw_only=True)
class Task:
    """What both sides search."""

    dataset: str
    space: str
    settings: Sequence[str]
    #: Of MNIST.
    data_dir: Path
    #: For databases and models.
    folder: Path

    @property
    def data(self) -> str:
        """What tables call the dataset."""
        return Path(self.dataset).stem

    @property
    def places(self) -> DataPlaces:
        """Where the images are."""
        return DataPlaces(data_dir=self.data_dir, cache_dir=self.folder / "cache")


def main() -> None:
    """Run the searches that are left, and print what they came to."""
    arguments = parse_arguments()
    began, kept = time.monotonic(), Kept(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for dataset, space, settings in data_sets(folder, quick=arguments.quick):
            data_dir = Path(arguments.data).expanduser()
            task = Task(dataset=dataset, space=space, settings=settings, data_dir=data_dir, folder=folder)
            for seed, resource in product(range(arguments.seeds), RESOURCES):
                if kept.find(task, resource, seed) is not None:
                    continue
                if time.monotonic() - began > 60 * arguments.minutes:
                    print(f"{len(kept.rows)} of {kept.n_all} searches are done. Run the same command again.")
                    return
                kept.add(run_side(task, seed, resource, kept, n_trials=arguments.trials))
    show(kept.rows)


class Kept:
    """The searches that are done, in `bench/results/fidelity.json`: a run goes on with those of the same settings."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        #: None for a quick run, which keeps nothing.
        self._path = None if arguments.quick else RESULTS / "fidelity.json"
        self._settings = {"epochs": EPOCHS, "trials": arguments.trials}
        self.n_all = (1 if arguments.quick else 2) * arguments.seeds * len(RESOURCES)
        self.rows: list[dict[str, Any]] = []
        if self._path is not None and self._path.exists():
            stored = json.loads(self._path.read_text())
            self.rows = stored["rows"] if stored["settings"] == self._settings else []

    def find(self, task: Task, resource: str, seed: int) -> dict[str, Any] | None:
        """Return a search that is done; None before it is."""
        wanted = task.data, resource, seed
        return next((row for row in self.rows if (row["data"], row["resource"], row["seed"]) == wanted), None)

    def add(self, row: dict[str, Any]) -> None:
        """Keep a search, and print it."""
        self.rows.append(row)
        print(json.dumps(row), flush=True)
        if self._path is not None:
            result = {"machine": describe_machine(), "settings": self._settings, "rows": self.rows}
            if len(self.rows) == self.n_all:
                result["summary"] = summarise(self.rows)
            written = self._path.with_suffix(".part")
            written.write_text(json.dumps(result, indent=2) + "\n")
            written.replace(self._path)


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Print a table of all searches, and what they come to."""
    headings = f"{'data':10} {'resource':9} {'seed':>4} {'trials':>7} {'CPU s':>7} {'best':>8} {'confirmed':>10}"
    print(headings)
    for row in rows:
        numbers = f"{row['trials']:7} {row['cpu_s']:7.0f} {row['best']:8.2%} {row['confirmed']:10.2%}"
        print(f"{row['data']:10} {row['resource']:9} {row['seed']:4} {numbers}")
    print(json.dumps(summarise(rows), indent=2))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="What first rungs on a part of the images are worth.")
    parser.add_argument("--data", default=os.environ.get("TUNER_DATA", "~/.cache/tuner/data"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=10, help="begin no search after so many; it ends its last one")
    parser.add_argument("--quick", action="store_true", help="digits, two seeds, few trials; keeps nothing")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seeds, arguments.trials, arguments.minutes = 2, 6, math.inf
    return arguments


def data_sets(folder: Path, *, quick: bool) -> list[tuple[str, str, Sequence[str]]]:
    """Return datasets with the space and the settings of their studies."""
    if quick:
        return [("digits", "mlp", ())]
    pictures = folder / "drawn.npz"
    images, labels = draw_pictures(20_000, seed=0)
    np.savez(pictures, x_train=images, y_train=np.array(_CLASSES)[labels])
    # Small enough that a search takes minutes of one core.
    return [("mnist", "mlp", ()), (str(pictures), "cnn", ("fixed.filters=8", "fixed.blocks=3", "fixed.convolutions=1"))]


def draw_pictures(n_images: int, *, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return RGB pictures of one shape each, in any colour, place and size, on noise: uint8, shape (n, 32, 32, 3)."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, len(_CLASSES), n_images)
    images = np.empty((n_images, 32, 32, 3), np.uint8)
    for index, label in enumerate(labels):
        noise = random.normal(random.integers(40, 216, 3), 30, (32, 32, 3)).clip(0, 255).astype(np.uint8)
        picture = Image.fromarray(noise)
        _draw_shape(ImageDraw.Draw(picture), _CLASSES[label], random)
        images[index] = picture
    return images, labels


def _draw_shape(draw: ImageDraw.ImageDraw, name: str, random: np.random.Generator) -> None:
    colour = tuple(int(level) for level in random.integers(0, 256, 3))
    size = int(random.integers(10, 20))
    left, top = (int(value) for value in random.integers(0, 32 - size, 2))
    right, bottom, middle = left + size, top + size, size // 2
    box = (left, top, right, bottom)
    if name == "circle":
        draw.ellipse(box, fill=colour)
    elif name == "square":
        draw.rectangle(box, fill=colour)
    elif name == "triangle":
        draw.polygon([(left, bottom), (right, bottom), (left + middle, top)], fill=colour)
    elif name == "ring":
        draw.ellipse(box, outline=colour, width=3)
    elif name == "cross":
        draw.line((left + middle, top, left + middle, bottom), fill=colour, width=3)
        draw.line((left, top + middle, right, top + middle), fill=colour, width=3)
    elif name == "stripes":
        for x in range(left, right, 4):
            draw.line((x, top, x, bottom), fill=colour, width=2)
    else:
        for x in range(left, right, 5):
            for y in range(top, bottom, 5):
                draw.ellipse((x, y, x + 2, y + 2), fill=colour)


def run_side(task: Task, seed: int, resource: str, kept: Kept, *, n_trials: int) -> dict[str, Any]:
    """Run one side of one seed; the second one has the CPU seconds that the first one took."""
    first = kept.find(task, RESOURCES[0], seed)
    changes = [
        *task.settings,
        f"search.epochs={EPOCHS}",
        f"search.pruning.resource={resource}",
        f"search.trials={n_trials * (_MORE if first else 1)}",
        "finals.top=0",
    ]
    definition = make_definition(
        space=task.space, dataset=task.dataset, name=f"{task.data}-{resource}-{seed}", seed=seed, overrides=changes
    )
    record, cpu_s = search(definition, task, budget_s=first["cpu_s"] if first else None)
    return {
        "data": task.data,
        "resource": resource,
        "seed": seed,
        "trials": sum(trial.state in {"complete", "pruned"} for trial in record.trials),
        "cpu_s": cpu_s,
        "best": record.best.score if record.best else None,
        "confirmed": confirm(record, definition, task),
    }


def search(definition: StudyDefinition, task: Task, *, budget_s: float | None) -> tuple[StudyRecord, float]:
    """Search in this process until the trials or the CPU seconds are used up; return the study and the seconds."""
    with open_storage(f"sqlite:///{task.folder / definition.name}.db") as storage:
        study = create_study(storage, definition, data_dir=task.data_dir, check=False)
        settings = WorkerSettings(
            worker_id="bench",
            studies=[definition.name],
            device="cpu",
            places=task.places,
            artifacts=ArtifactStore(str(task.folder / "artifacts")),
            until_done=True,
            lease_s=600.0,
        )
        began, over = time.process_time(), threading.Event()

        def stop_in_time() -> None:
            while budget_s is not None and not over.wait(0.5):
                if time.process_time() - began >= budget_s:
                    stop_study(storage, study)
                    return

        watcher = threading.Thread(target=stop_in_time)
        watcher.start()
        Worker(storage, settings).run()
        over.set()
        watcher.join()
        return load_study(storage, definition.name), time.process_time() - began


def confirm(record: StudyRecord, definition: StudyDefinition, task: Task) -> float:
    """Train the three best configurations again, in full and with three new seeds; return the best mean."""
    complete = [trial for trial in record.trials if trial.state == "complete" and trial.score is not None]
    best = sorted(complete, key=lambda trial: -(trial.score or 0.0))[:3]
    images = StudyData(
        definition=definition,
        data_sha256=record.provenance["data_sha256"],
        pixels=record.pixels,
        places=task.places,
    )
    data = images.load_for_search()
    means = []
    for trial in best:
        scores = []
        for seed in range(1000, 1003):
            release_memory()
            request = FitRequest(
                hyperparameters=fixed_hyperparameters(trial.hyperparameters),
                data=data,
                plan=replace(plan_trial(definition, seed=seed), parts=None),
                on_epoch=lambda _: None,
            )
            fitted = fit(
                TrainingSetup(space=open_definition_space(definition), objective=definition.objective), request
            )
            scores.append(max(epoch.val_accuracy or 0.0 for epoch in fitted.epochs))
        means.append(statistics.fmean(scores))
    return max(means)


def summarise(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the means by data set, and the differences of each seed."""
    found: dict[str, Any] = {}
    for data in dict.fromkeys(row["data"] for row in rows):
        by_resource = {
            resource: [row for row in rows if row["data"] == data and row["resource"] == resource]
            for resource in RESOURCES
        }
        confirmed = {name: [row["confirmed"] for row in side] for name, side in by_resource.items()}
        found[data] = {
            "confirmed": {name: statistics.fmean(values) for name, values in confirmed.items()},
            "trials": {name: statistics.fmean(row["trials"] for row in side) for name, side in by_resource.items()},
            "differences": [
                images - epochs for epochs, images in zip(confirmed["epochs"], confirmed["images"], strict=True)
            ],
        }
    return found


if __name__ == "__main__":
    main()
