"""`tuner run`, started again: it finds its study, or says what has changed."""

from collections.abc import Iterator

import pytest
from support.running_studies import create_study

from tuner.jobs.creation import DefinitionChangedError, find_equal_study
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.definitions.making import make_definition


@pytest.fixture
def storage(sqlite_url: str) -> Iterator[Storage]:
    with open_storage(sqlite_url) as opened:
        yield opened


def test_a_name_that_is_free_finds_no_study(storage: Storage) -> None:
    assert find_equal_study(storage, make_definition(space="mlp", dataset="digits", name="s")) is None


def test_the_same_definition_finds_its_study(storage: Storage) -> None:
    study = create_study(storage, "s", trials=6, epochs=4, finals=())

    found = find_equal_study(storage, make_definition(space="mlp", dataset="digits", name="s", trials=6, epochs=4))

    assert found is not None
    assert found.uid == study.uid


def test_another_definition_under_the_same_name_is_refused_with_each_change(storage: Storage) -> None:
    create_study(storage, "s", trials=6, epochs=4, finals=())
    wanted = make_definition(space="cnn", dataset="digits", name="s", trials=6, epochs=9)

    with pytest.raises(DefinitionChangedError, match=r"space: mlp -> cnn, search\.epochs: 4 -> 9\. To change it,"):
        find_equal_study(storage, wanted)


def test_more_trials_alone_are_added_with_extend(storage: Storage) -> None:
    create_study(storage, "s", trials=6, epochs=4, finals=())
    wanted = make_definition(space="mlp", dataset="digits", name="s", trials=8, epochs=4)

    with pytest.raises(DefinitionChangedError, match="`tuner study extend s --trials 2`"):
        find_equal_study(storage, wanted)


def test_a_note_that_was_corrected_since_changes_no_study(storage: Storage) -> None:
    study = create_study(storage, "s", trials=6, epochs=4, finals=())
    figure = '[{name = "accuracy", value = 0.9, protocol = "not said", source = "a report"}]'
    same = make_definition(
        space="mlp", dataset="digits", name="s", trials=6, epochs=4, overrides=[f"published={figure}"]
    )
    other = make_definition(
        space="mlp", dataset="digits", name="s", trials=6, epochs=9, overrides=[f"published={figure}"]
    )

    found = find_equal_study(storage, same)

    assert found is not None
    assert found.uid == study.uid
    with pytest.raises(DefinitionChangedError, match=r"definition: search\.epochs: 4 -> 9\. To change"):
        find_equal_study(storage, other)


def test_finals_that_follow_from_the_search_are_no_changes_of_their_own(storage: Storage) -> None:
    create_study(storage, "s", trials=6, epochs=4, finals=())
    wanted = make_definition(space="mlp", dataset="digits", name="s", trials=30, epochs=4, overrides=["finals.top=2"])

    with pytest.raises(DefinitionChangedError, match=r"definition: search\.trials: 6 -> 30, finals\.top: 1 -> 2\. To"):
        find_equal_study(storage, wanted)
