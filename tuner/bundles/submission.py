"""Submissions to Kaggle's digit competition, made with a bundle."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

from tuner.bundles.bundle import Bundle
from tuner.bundles.ensemble import Ensemble, members_of, soft_vote
from tuner.bundles.outputs import open_output
from tuner.datasets.published.kaggle import read_unlabelled_csv
from tuner.training.predictions import predict_probabilities

#: Images between two calls of `on_progress`.
_N_STEP_IMAGES = 2_000


def write_submission(
    bundle: Bundle | Ensemble,
    csv_path: Path,
    out_path: Path | str,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write the class of every image as Kaggle's `ImageId,Label`, ids from 1, and return their number.

    Args:
        bundle: The model, or an ensemble.
        csv_path: Kaggle's `test.csv`, one row of pixels an image.
        out_path: A file or a URL such as `s3://bucket/answers.csv`, written as a whole or not at all; an existing file
            is replaced.
        on_progress: Called with the number of images done and their total.

    Raises:
        TunerError: The CSV is unreadable or of another format than the model's, the bundle's model cannot be rebuilt,
            or the file cannot be written (`OutputNotWrittenError`).
    """
    members = members_of(bundle)
    seen = [
        read_unlabelled_csv(csv_path, image_format=member.description.images, pixels=member.description.pixels)
        for member in members
    ]
    models = [member.build_model() for member in members]
    class_names = members[0].description.images.class_names
    labels: list[str] = []
    for start in range(0, len(seen[0]), _N_STEP_IMAGES):
        part = slice(start, start + _N_STEP_IMAGES)
        votes = [predict_probabilities(model, images[part]) for model, images in zip(models, seen, strict=True)]
        labels += [class_names[index] for index in soft_vote(votes).argmax(axis=1)]
        if on_progress:
            on_progress(len(labels), len(seen[0]))
    with open_output(out_path, option="--out") as file:
        file.write_bytes(_format_rows(labels))
    return len(labels)


def _format_rows(labels: list[str]) -> bytes:
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("ImageId", "Label"))
    rows.writerows(enumerate(labels, start=1))
    return text.getvalue().encode()
