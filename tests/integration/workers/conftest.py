"""Real workers for fault tests."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chaos.fleet import Surroundings
from chaos.proxy import FaultyProxy
from chaos.studies import insert_chaos_study
from support.postgres import PostgresServer

from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.lifecycle import Study

Surround = Callable[..., Surroundings]


@pytest.fixture
def storage(postgres_url: str) -> Iterator[Storage]:
    """The test's database, past any proxy."""
    with open_storage(postgres_url, patience_s=30) as opened:
        yield opened


@pytest.fixture
def proxy(postgres_server: PostgresServer) -> Iterator[FaultyProxy]:
    with FaultyProxy(postgres_server.port) as running:
        yield running


@pytest.fixture
def surround(postgres_url: str, tmp_path: Path) -> Surround:
    """Return what a worker of this test works with; keywords change it."""

    def make(**changes: Any) -> Surroundings:
        settings: dict[str, Any] = {"storage": postgres_url, "folder": tmp_path, "studies": ["chaos"]}
        return Surroundings(**(settings | changes))

    return make


@pytest.fixture
def insert(storage: Storage) -> Callable[..., Study]:
    """Store a study for synthetic training."""

    def insert_study(*, trials: int = 1, epochs: int = 6, **settings: Any) -> Study:
        return insert_chaos_study(storage, trials=trials, epochs=epochs, **settings)

    return insert_study
