import dataclasses
import re
from pathlib import Path

import pytest

from tuner.settings import SettingError, Settings, read_settings

EVERY = Settings(
    storage="postgresql://me:secret@db/tuner",
    data_dir=Path("/data"),
    artifacts="s3://bucket/team",
    home=Path("/home/me/.tuner"),
    lease_s=2.5,
    dashboard_token="a token",  # noqa: S106 - a test's
    images="streamed",
)


def test_every_setting_reaches_a_process_that_is_started_with_their_environment() -> None:
    assert None not in dataclasses.astuple(EVERY)
    assert read_settings(EVERY.as_environment()) == EVERY


def test_a_setting_that_is_not_given_is_not_in_the_environment() -> None:
    settings = read_settings({"TUNER_HOME": "/h"})

    assert settings.as_environment().keys() == {"TUNER_STORAGE", "TUNER_DATA", "TUNER_ARTIFACTS", "TUNER_HOME"}
    assert settings.storage == "sqlite:////h/tuner.db"


def test_the_flag_for_the_database_replaces_its_variable() -> None:
    assert read_settings({"TUNER_STORAGE": "sqlite:///a"}, storage="sqlite:///b").storage == "sqlite:///b"


@pytest.mark.parametrize("text", ["0", "-1", "soon", "inf", "nan"])
def test_a_lease_time_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match=f"TUNER_LEASE_S='{text}'. Expected a number of seconds above 0"):
        read_settings({"TUNER_LEASE_S": text})


def test_where_images_are_is_one_of_three_words() -> None:
    assert [read_settings({"TUNER_IMAGES": text}).images for text in ("", "auto", "resident", "streamed")] == [
        None,
        None,
        "resident",
        "streamed",
    ]
    with pytest.raises(SettingError, match=r"TUNER_IMAGES='gpu'\. Expected resident .*, streamed .*, or auto"):
        read_settings({"TUNER_IMAGES": "gpu"})


@pytest.mark.parametrize(
    "place", ["memory://x", "https://host/x", "zip://x", "s3:/bucket/x", "gs:bucket", "s3://", "s3:///x"]
)
def test_a_place_that_would_lose_artifacts_is_refused(place: str) -> None:
    with pytest.raises(SettingError, match=re.escape(f"Received TUNER_ARTIFACTS={place!r}")):
        read_settings({"TUNER_ARTIFACTS": place})


@pytest.mark.parametrize("place", ["s3://bucket/x", "a folder", "/tmp/a:b", "file:///tmp/x"])  # noqa: S108 - not made
def test_blanks_around_a_place_are_not_part_of_it(place: str) -> None:
    assert read_settings({"TUNER_ARTIFACTS": f" {place}\n"}).artifacts == place
