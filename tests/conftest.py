"""What tests of every kind share: databases, artifacts, the real MNIST, and an environment without surprises."""

import gc
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Before anything imports TensorFlow: its start-up lines would fill the output of failing tests.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# The cores are taken by other tests: idle threads of TensorFlow's would only turn around waiting for work.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Processes that tests start run this checkout too.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(Path(__file__).parents[1]), os.getenv("PYTHONPATH"))))

import pytest
from chaos.fleet import Fleet
from support.mnist import MNIST_EXTRACT, is_whole_mnist
from support.postgres import PostgresServer, running_server
from support.recycled_databases import RecycledDatabases
from support.s3_server import S3Server, running_s3_server

from tuner.artifacts import ArtifactStore
from tuner.settings import read_settings

pytest_plugins = ["support.selection"]
_LOCAL_HOSTS = {"127.0.0.1", "::1", "localhost", ""}
#: So many new modules are worth a look through all objects, which takes a quarter of a second once Keras is there.
_MANY_MODULES = 100


@pytest.fixture(scope="session", autouse=True)
def _closed_environment() -> Iterator[None]:
    """Keep tests from a person's own studies, from hidden caps on training, and from the network."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("TUNER_STORAGE", "TUNER_ARTIFACTS", "TUNER_HOME", "KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"):
            patch.delenv(name, raising=False)
        patch.setattr(socket.socket, "connect", _connect_locally)
        yield


@pytest.fixture(autouse=True)
def _imports_are_no_garbage() -> None:
    """Spare the garbage collector what was imported, as `load_backend` does in workers: each of its looks gets cheap.

    It looks after each trial, and whenever it thinks fit.
    """
    if len(sys.modules) - _frozen[0] >= _MANY_MODULES:
        _frozen[0] = len(sys.modules)
        gc.collect()
        gc.freeze()


@pytest.fixture(autouse=True)
def _import_path_of_one_test() -> Iterator[None]:
    """Take from the import path what a test put there: opening a person's builder leaves its folder on it."""
    before = list(sys.path)
    yield
    sys.path[:] = before


@pytest.fixture(autouse=True, scope="module")
def _own_builders_of_one_module() -> Iterator[None]:
    """Forget `own_builders` after each module: once imported they would be found by tests that do not say where."""
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "own_builders"]:
        del sys.modules[name]


#: How many modules there were when the collector last forgot them.
_frozen = [0]

_connect = socket.socket.connect


def _connect_locally(self: socket.socket, address: Any) -> None:
    if self.family in {socket.AF_INET, socket.AF_INET6} and address[0] not in _LOCAL_HOSTS:
        raise OSError(f"Tests may not use the network; this one wanted {address[0]}:{address[1]}.")
    _connect(self, address)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The session's server. A test that stops or kills it takes `own_postgres_server` instead."""
    with running_server() as server:
        yield server


@pytest.fixture
def own_postgres_server() -> Iterator[PostgresServer]:
    """A server for one test, to be stopped, killed and started again."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> str:
    """The name of a database with tuner's tables and nothing in them."""
    from tuner.studies.database.storage import open_storage

    name = postgres_server.create_database()
    with open_storage(postgres_server.url(name)):
        return name


@pytest.fixture(scope="session")
def recycled_databases(postgres_server: PostgresServer, postgres_template: str) -> RecycledDatabases:
    """Those of `postgres_url`."""
    return RecycledDatabases(postgres_server, postgres_template)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, recycled_databases: RecycledDatabases) -> Iterator[str]:
    """A Postgres database of the test's own, with tuner's tables and nothing in them."""
    name = recycled_databases.take()
    yield postgres_server.url(name)
    recycled_databases.give_back(name)


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A Postgres database of the test's own, without any table."""
    name = postgres_server.create_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with tuner's tables and nothing in them: a copy takes a hundredth of the quarter second that they take."""
    from tuner.studies.database.storage import open_storage

    path = tmp_path_factory.mktemp("template") / "tuner.db"
    open_storage(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """An SQLite database of the test's own, with tuner's tables."""
    shutil.copyfile(sqlite_template, tmp_path / "tuner.db")
    return f"sqlite:///{tmp_path / 'tuner.db'}"


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    """An SQLite database of the test's own; its file does not exist yet."""
    return f"sqlite:///{tmp_path / 'tuner.db'}"


@pytest.fixture(params=["sqlite", "postgres"])
def storage_url(request: pytest.FixtureRequest) -> str:
    """A database of the test's own, once of each kind."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    """An artifact store of the test's own."""
    return ArtifactStore(str(tmp_path / "artifacts"))


@pytest.fixture(scope="session")
def nursery() -> Iterator[Fleet]:
    """Forks workers from one process that has imported everything."""
    with Fleet() as fleet:
        yield fleet


@pytest.fixture
def fleet(nursery: Fleet) -> Iterator[Fleet]:
    """Starts workers; those that live at the test's end are killed."""
    yield nursery
    nursery.end_all()


@pytest.fixture
def s3_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """A store of S3's kind for one test, with one empty bucket; this process' environment leads to it."""
    with running_s3_server() as server:
        for name, value in server.settings.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture(scope="session")
def mnist() -> Path:
    """Some of the real MNIST, to be opened by its path: all of it where `TUNER_DATA` has it, else the extract."""
    whole = read_settings().data_dir / "mnist"
    return whole if is_whole_mnist(whole) else MNIST_EXTRACT


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """`TUNER_DATA`, with all 70,000 images of MNIST: its tests are marked `full_mnist`, and skipped elsewhere."""
    return read_settings().data_dir


@pytest.fixture(scope="session")
def mnist_dir(data_dir: Path) -> Path:
    """The folder of MNIST's four IDX files, whole."""
    return data_dir / "mnist"
