import pytest

from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.files import DefinitionError
from tuner.studies.definitions.making import make_definition
from tuner.studies.sections.durations import describe_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2h", 7200.0),
        ("1h 30m", 5400.0),
        ("1h30m", 5400.0),
        ("45s", 45.0),
        ("1.5 H", 5400.0),
        ("2d", 172_800.0),
        (90, 90),
    ],
)
def test_a_span_of_time_is_seconds_or_text_with_units(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "2 hours", "1h x", "-2h", "1x2h"])
def test_what_is_no_span_of_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match='such as "2h"'):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "words"), [(7200, "2h"), (5400, "1h 30m"), (90_061.5, "1d 1h 1m 1.5s"), (10, "10s"), (0.25, "0.25s")]
)
def test_a_span_of_time_is_told_in_its_largest_units(seconds: float, words: str) -> None:
    assert describe_duration(seconds) == words


def with_settings(*overrides: str) -> StudyDefinition:
    return make_definition(space="mlp", dataset="digits", overrides=overrides)


def test_limits_of_time_are_read_as_seconds() -> None:
    definition = with_settings(
        "search.timeout=2h", "finals.timeout=90", "search.trial_timeout=10m", "search.patience=7"
    )

    search = definition.search
    assert (search.timeout, search.patience, search.trial_timeout) == (7200.0, 7, 600.0)
    assert definition.finals.timeout == 90
    assert StudyDefinition.from_json(definition.to_json()) == definition


def test_the_former_name_of_a_trials_limit_still_works_alone() -> None:
    former = with_settings("search.trial_timeout_s=90")

    assert former.search.trial_timeout == 90
    assert former.to_settings()["search"] == {"trial_timeout": 90.0}
    with pytest.raises(DefinitionError, match=r"the same as search\.trial_timeout; expected only one"):
        with_settings("search.trial_timeout_s=90", "search.trial_timeout=1m")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("search.timeout=soon", 'search.timeout: received "soon", expected seconds, or text with the units'),
        ("search.timeout=0h", "search.timeout: received 0.0, expected a number above 0."),
        ("finals.timeout=-5", "finals.timeout: received -5, expected a number above 0."),
        ("search.patience=0", "search.patience: received 0, expected a number of at least 1."),
        ("search.patience=2h", 'search.patience: received "2h", expected a whole number.'),
        ("sharing.max_workers=0", "sharing.max_workers: received 0, expected a number of at least 1."),
        ("sharing.weight=0", "sharing.weight: received 0, expected a number above 0."),
        ("sharing.prio=1", "no setting has this name."),
    ],
)
def test_limits_and_shares_that_are_not_possible_are_refused(override: str, message: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        with_settings(override)

    assert message in str(refused.value)


@pytest.mark.parametrize("limit", ["search.timeout=2h", "search.patience=3"])
def test_a_comparison_ends_with_all_of_its_trials(limit: str) -> None:
    with pytest.raises(DefinitionError, match="compares values by all of its trials"):
        make_definition(space="mlp", dataset="digits", vary={"units": [16]}, overrides=[limit])


def test_a_share_determines_no_result_and_is_written_with_the_definition() -> None:
    plain, shared = with_settings(), with_settings("sharing.priority=3")

    assert plain.determines_the_same_as(shared)
    assert shared.to_settings()["sharing"] == {"priority": 3}
    assert "sharing" not in plain.to_settings()
