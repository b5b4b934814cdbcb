"""The front of a study against the nets of the reports: which of them does a retrained point of the front surpass?

    tuner run mnist-front
    python bench/front.py mnist-front [--out bench/results/front.json]

A report's net has the weights of its recipe, and the best accuracy that was published for it, the corrected one where
there is one (`studies/reports/`); whatever its protocol was. A final of the study surpasses it with no more weights and
at least its accuracy on the test images, and equals it if that accuracy is within the final's Wilson 95 % interval.
"""

import argparse
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from machine import describe_machine

from tuner.artifacts import ArtifactStore
from tuner.intervals import wilson_interval
from tuner.report.finals_results import read_finals_results
from tuner.settings import read_settings
from tuner.studies.database.storage import open_storage
from tuner.studies.records.reading import load_outline

DEFINITIONS = Path(__file__).parents[1] / "studies" / "reports"
#: Datasets whose images are MNIST's; Kaggle divides them in its own way.
OF_MNIST = frozenset({"mnist", "kaggle-digits"})


@dataclass(frozen=True, kw_only=True)
class Net:
    """A net with its weights and its accuracy."""

    name: str
    parameters: int
    accuracy: float
    #: Of the accuracy; None for a published one.
    interval: tuple[float, float] | None = None


def published_nets() -> list[Net]:
    """Return the reports' nets for MNIST, the smallest first."""
    from tuner.training.backend import load_backend

    load_backend()
    from tuner.datasets.images import ImageFormat
    from tuner.spaces.registry import fixed_hyperparameters, open_space

    images = ImageFormat(height=28, width=28, channels=1, class_names=tuple("0123456789"))
    best: dict[str, float] = {}
    for path in sorted(DEFINITIONS.glob("*.toml")):
        definition = tomllib.loads(path.read_text())
        figures = [each for each in definition.get("published", ()) if each["beside"] != "train"]
        if definition["dataset"] in OF_MNIST and figures:
            accuracy = max(each.get("corrected", each["value"]) for each in figures)
            best[definition["space"]] = max(accuracy, best.get(definition["space"], 0.0))
    nets = [
        Net(
            name=space,
            parameters=open_space(space).build(fixed_hyperparameters({}), images).count_params(),
            accuracy=accuracy,
        )
        for space, accuracy in best.items()
    ]
    return sorted(nets, key=lambda net: net.parameters)


def tested_nets(name: str) -> list[Net]:
    """Return the retrained and tested points of the study's front, the smallest first."""
    settings = read_settings()
    with open_storage(settings.storage) as storage:
        study = load_outline(storage, name)
    n_test = read_finals_results(study, ArtifactStore(settings.artifacts)).n_test
    found = [
        Net(
            name=f"trial {final.trial}",
            parameters=int(final.costs["parameters"]),
            accuracy=final.test_accuracy_mean,
            interval=wilson_interval(round(final.test_accuracy_mean * n_test), n_test),
        )
        for final in study.finals
        if final.test_accuracy_mean is not None and n_test
    ]
    return sorted(found, key=lambda net: net.parameters)


def compare(published: Sequence[Net], tested: Sequence[Net]) -> list[dict[str, Any]]:
    """Return a row for each published net: which tested one surpasses or equals it, and how."""
    rows = []
    for net in published:
        smaller = [one for one in tested if one.parameters <= net.parameters]
        better = [one for one in smaller if one.accuracy >= net.accuracy]
        equal = [one for one in smaller if one.interval and one.interval[1] >= net.accuracy]
        by = next(iter([*better, *equal]), None)
        verdict = "surpassed" if better else "equalled" if equal else "not reached"
        rows.append({**asdict(net), "verdict": verdict, "by": None if by is None else asdict(by)})
    return rows


def main() -> None:
    """Print the comparison, and keep it if a file is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    tested = tested_nets(arguments.study)
    rows = compare(published_nets(), tested)
    for net in tested:
        print(f"{net.name}: {net.parameters:,} weights, {_percent(asdict(net))}")
    for row in rows:
        by = "" if row["by"] is None else f" by {row['by']['name']}: {row['by']['parameters']:,} weights, "
        told = by and by + _percent(row["by"])
        print(f"{row['name']}: {row['parameters']:,} weights, {100 * row['accuracy']:.2f} %: {row['verdict']}{told}")
    n_reached = sum(row["verdict"] != "not reached" for row in rows)
    print(f"surpassed or equalled: {n_reached} of {len(rows)} nets")
    if arguments.out:
        kept = {"date": datetime.now(UTC).date().isoformat(), "machine": describe_machine(), "study": arguments.study}
        kept |= {"tested": [asdict(net) for net in tested], "published": rows}
        arguments.out.write_text(json.dumps(kept, indent=1) + "\n")


def _percent(net: Mapping[str, Any]) -> str:
    low, high = net["interval"]
    return f"{100 * net['accuracy']:.2f} % ({100 * low:.2f} to {100 * high:.2f} %)"


if __name__ == "__main__":
    main()
