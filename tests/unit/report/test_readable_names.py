"""Class names in the report, and how those of other scripts are read."""

import pytest

from tuner.report.page_sections.data import readable_name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("お", "お (o)"),
        ("Dreieck ü", "Dreieck ü"),
        ("café & <b>", "café & <b>"),
        ("7", "7"),
        ("ß", "ß"),
    ],
)
def test_only_other_scripts_have_a_reading(name: str, shown: str) -> None:
    assert readable_name(name) == shown
