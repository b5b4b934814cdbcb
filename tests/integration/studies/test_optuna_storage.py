"""Optuna's own test of storages, on the one that workers use."""

from collections.abc import Iterator

import pytest
from optuna.storages import BaseStorage
from optuna.testing.pytest_storages import StorageTestCase

from tuner.studies.database.storage import Storage, open_storage


class TestStorage(StorageTestCase):  # type: ignore[misc] # Optuna's tests are untyped
    @pytest.fixture
    def storage(self, storage_of_ours: Storage) -> BaseStorage:
        return storage_of_ours.optuna


@pytest.fixture
def storage_of_ours(storage_url: str) -> Iterator[Storage]:
    with open_storage(storage_url) as opened:
        yield opened
