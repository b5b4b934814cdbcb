from collections.abc import Iterator

import pytest
from looking_role import looking_role
from support.postgres import PostgresServer

from tuner.studies.database.storage import Storage, open_storage


@pytest.fixture
def storage(postgres_url: str) -> Iterator[Storage]:
    with open_storage(postgres_url) as opened:
        yield opened


@pytest.fixture
def looker_url(postgres_server: PostgresServer, postgres_url: str) -> Iterator[str]:
    """The test's database for a role that may SELECT and nothing else."""
    with looking_role(postgres_server, postgres_url) as url:
        yield url
