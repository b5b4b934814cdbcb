"""Pictures and labels in the many forms that people store them in.

Whatever the form, models must see the same pictures; what is guessed is said, what is ambiguous is refused in a line
that names the setting.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import brought_data
import pytest
from typer.testing import CliRunner

from tuner.cli import app
from tuner.errors import TunerError


@dataclass(frozen=True, kw_only=True)
class Same:
    """Models see the reference pictures."""

    #: A regular expression for a warning; None wants none.
    warning: str | None = None
    options: tuple[str, ...] = ()
    #: Class names may be others than the reference's.
    names: tuple[str, ...] = ("0", "1", "2")
    n_images: int = 48
    #: The form whose images and labels are the very same; None where order, labels or classes are others.
    same_as: str | None = "bytes_"


@dataclass(frozen=True, kw_only=True)
class Refused:
    """One line says what is wrong."""

    reason: str
    options: tuple[str, ...] = ()


_FOLDER = brought_data.NAMES


def _in_folders(warning: str | None = None, *, same_as: str = "grey_pngs") -> Same:
    """The same pictures in class folders."""
    return Same(names=_FOLDER, warning=warning, same_as=same_as)


_CASES: dict[str, Same | Refused] = {
    "bytes_": Same(),
    "floats_to_one": Same(),
    "floats_to_255": Same(),
    "one_pixel_above_one": Same(),
    "half_floats": Same(),
    "big_endian": Same(),
    "long_integers": Same(),
    "fortran_order": Same(),
    "with_channel": Same(),
    "to_fifteen": Same(warning="data.range"),
    "floats_to_fifteen": Same(warning="data.range"),
    "sixteen_bits": Same(),
    "minus_one_to_one": Refused(reason=r"data\.range"),
    "floats_to_one_and_a_half": Refused(reason=r"data\.range"),
    "not_a_number": Refused(reason="NaN"),
    "all_black": Refused(reason="every pixel"),
    "flat_rows": Refused(reason="shape"),
    "channels_first": Refused(reason="channels"),
    "four_channels": Refused(reason="channels|1 or 3"),
    "one_hot_labels": Refused(reason="argmax"),
    "float_labels": Same(),
    "column_of_labels": Same(),
    "byte_names": Same(names=_FOLDER, same_as=None),
    "too_few_labels": Refused(reason="60 images and 59 labels"),
    "validation_part": Same(warning="The validation set: 60 of its 60 pictures are in", n_images=108, same_as=None),
    "unlabelled_test_images": Refused(reason="y_test"),
    "grey_pngs": _in_folders(),
    "palette_pngs": _in_folders("read as grey", same_as="colour_pngs_of_grey"),
    "sixteen_bit_pngs": _in_folders(),
    "twelve_bits_in_sixteen": _in_folders("data.range"),
    "eight_bits_in_sixteen": _in_folders("data.range"),
    "white_on_transparent": _in_folders("data.background", same_as="colour_pngs_of_grey"),
    "opaque_with_alpha": _in_folders("read as grey", same_as="colour_pngs_of_grey"),
    "bitmaps": _in_folders(),
    "turned_by_exif": _in_folders(),
    "a_class_called_train": Same(names=("ant", "bee", "train"), same_as=None),
    "some_in_subfolders": Same(names=_FOLDER, warning="5", n_images=44, same_as=None),
    "some_of_another_kind": Same(names=_FOLDER, warning="4 .*heic", same_as=None),
    "a_validation_folder": Same(
        warning="The validation set: 60 of its 60 pictures are in", names=_FOLDER, n_images=108, same_as=None
    ),
    "a_broken_picture": Refused(reason=r"00\.png"),
    "table": Same(),
    "table_with_row_numbers": Same(),
    "table_with_semicolons": Refused(reason="semicolon|;"),
    "table_without_names": Refused(reason="column names"),
}


def _show(path: Path, *options: str) -> dict[str, Any]:
    """Return what `tuner dataset show --json` says.

    Raises:
        TunerError: It was refused.
    """
    shown = CliRunner().invoke(app, ["dataset", "show", str(path), "--json", *options])
    if shown.exception is not None and not isinstance(shown.exception, SystemExit):
        raise shown.exception
    assert shown.exit_code == 0, shown.output
    return dict(json.loads(shown.stdout))


@pytest.mark.parametrize("name", _CASES)
def test_pictures_are_seen_alike_in_every_form_or_refused(name: str, tmp_path: Path) -> None:
    case = _CASES[name]
    path = getattr(brought_data, name)(tmp_path)

    if isinstance(case, Refused):
        with pytest.raises(TunerError) as refused:
            _show(path, *case.options)
        assert re.search(case.reason, str(refused.value)), refused.value
        return
    shown = _show(path, *case.options)

    assert tuple(found["name"] for found in shown["classes"]) == case.names
    assert shown["n_images"] == case.n_images
    if case.same_as is not None:
        reference = tmp_path / "reference"
        reference.mkdir()
        assert shown["content_hash"] == _show(getattr(brought_data, case.same_as)(reference))["content_hash"]
    if case.warning is None:
        # These sets are small.
        assert [warning for warning in shown["warnings"] if "validation images" not in warning] == []
    else:
        assert any(re.search(case.warning, warning) for warning in shown["warnings"]), shown["warnings"]
