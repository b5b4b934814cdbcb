"""Submissions to competitions whose test pictures lie in a folder, in the form of their sample submission."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tuner.bundles.bundle import Bundle
from tuner.bundles.ensemble import Ensemble, class_names_of
from tuner.bundles.outputs import open_output
from tuner.bundles.picture_places import find_pictures
from tuner.bundles.prediction import Prediction, predict_pictures
from tuner.datasets.formats.picture_table import PictureTable, read_picture_table
from tuner.errors import TunerError, shorten

_MOST_NAMED = 5


class OtherFormError(TunerError):
    """The sample submission is of a form that is not known, or of other pictures."""


@dataclass(frozen=True, kw_only=True)
class _Form:
    """What a sample submission asks for."""

    table: PictureTable
    #: Name of the column with the ids, and of the others.
    id_column: str
    answers: Sequence[str]

    @property
    def ids(self) -> Sequence[str]:
        return self.table.columns[self.id_column]


def write_picture_submission(
    bundle: Bundle | Ensemble,
    folder: Path,
    out_path: Path | str,
    *,
    like: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write the class of every picture below a folder, and return their number.

    Args:
        bundle: The model, or an ensemble.
        folder: The test pictures.
        out_path: As in `write_submission`.
        like: The competition's sample submission: its ids, in their order, are the pictures' paths or names, with or
            without their ending. With one more column the class is written, with one for each class the probabilities.
            None: the columns are `file`, the path in the folder, and `label`.
        on_progress: Called with the number of pictures read, and of all.

    Raises:
        OtherFormError: The sample has other columns, or ids that are no picture's.
        TunerError: A picture or the sample cannot be read, the bundle's model cannot be rebuilt, or the file cannot be
            written.
    """
    # A person wants an answer for each of them.
    pictures = [replace(picture, is_named=True) for picture in find_pictures([folder]).pictures]
    form = None if like is None else _read_form(like, class_names_of(bundle))

    def show(n_read: int) -> None:
        if on_progress:
            on_progress(n_read, len(pictures))

    # Read before the models are built, which takes seconds.
    places = {picture.place: Path(picture.place).relative_to(folder).as_posix() for picture in pictures}
    order = None if form is None else _find_order(form, places)
    found = {str(one.file): one for one in predict_pictures(bundle, pictures, on_progress=show)}
    with open_output(out_path, option="--out") as file, file.open("w", encoding="utf-8", newline="") as opened:
        rows = csv.writer(opened, lineterminator="\n")
        rows.writerows(_rows(found, places) if form is None or order is None else _rows_like(form, order, found))
    return len(pictures if order is None else order)


def _read_form(like: Path, class_names: Sequence[str]) -> _Form:
    table = read_picture_table(like)
    id_column, *answers = table.columns
    if len(answers) != 1 and sorted(answers) != sorted(class_names):
        raise OtherFormError(
            f"{like}: its columns are {shorten(', '.join(table.columns))}. Expected an id and a class, or an id and "
            f"one column for each of {shorten(', '.join(class_names))}."
        )
    return _Form(table=table, id_column=id_column, answers=answers)


def _find_order(form: _Form, places: Mapping[str, str]) -> list[str]:
    """Return the picture of each id."""
    by_name: dict[str, list[str]] = {}
    for place, relative in places.items():
        path = Path(relative)
        for name in {relative, str(path.with_suffix("")), path.name, path.stem}:
            by_name.setdefault(name, []).append(place)
    wrong = [one for one in form.ids if len(by_name.get(one, ())) != 1]
    if wrong:
        named = ", ".join(shorten(one) for one in wrong[:_MOST_NAMED])
        raise OtherFormError(
            f"{form.table.path}: {len(wrong):,} of its ids are the name of no picture, or of several: {named}. "
            f"Expected names of pictures in the column {form.id_column}."
        )
    return [by_name[one][0] for one in form.ids]


def _rows(found: Mapping[str, Prediction], places: Mapping[str, str]) -> Iterator[Sequence[str]]:
    yield "file", "label"
    yield from ((relative, found[place].class_name) for place, relative in places.items())


def _rows_like(form: _Form, order: Sequence[str], found: Mapping[str, Prediction]) -> Iterator[Sequence[str]]:
    yield form.id_column, *form.answers
    for one, place in zip(form.ids, order, strict=True):
        prediction = found[place]
        if len(form.answers) == 1:
            yield one, prediction.class_name
        else:
            yield one, *(f"{prediction.probabilities[name]:.9g}" for name in form.answers)
