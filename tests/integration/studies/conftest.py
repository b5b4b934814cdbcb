from collections.abc import Iterator

import pytest

from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.making import make_definition
from tuner.studies.lifecycle import Study, insert_study


@pytest.fixture
def storage(storage_url: str) -> Iterator[Storage]:
    with open_storage(storage_url) as opened:
        yield opened


@pytest.fixture
def definition() -> StudyDefinition:
    return make_definition(space="mlp", dataset="digits", name="s", trials=6, epochs=4)


@pytest.fixture
def study(storage: Storage, definition: StudyDefinition) -> Study:
    return insert_study(storage, definition, class_names=["0", "1"], provenance={"data_sha256": "0" * 64})
