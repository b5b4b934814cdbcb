import threading
from pathlib import Path

import boto3
import pytest
from support.s3_server import BUCKET, S3Server

from tuner.artifacts import ArtifactNotFoundError, ArtifactStore, ArtifactStoreAwayError


@pytest.mark.parametrize("attempt", range(5))
def test_many_may_delete_the_same_folder_at_once(tmp_path: Path, attempt: int) -> None:
    del attempt
    store = ArtifactStore(str(tmp_path))
    for slot in range(40):
        store.write(f"s/checkpoints/slot-{slot}/1-odd.npz", b"x")
    errors: list[OSError] = []

    def delete() -> None:
        try:
            store.delete("s/checkpoints")
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=delete) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert not store.exists("s/checkpoints")


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    """A store of each kind."""
    if request.param == "folder":
        return ArtifactStore(str(tmp_path))
    request.getfixturevalue("s3_server")
    return ArtifactStore(f"s3://{BUCKET}/team", patience_s=3)


def test_a_store_keeps_what_it_is_given_under_its_path(store: ArtifactStore) -> None:
    store.write("a/checkpoints/1-odd.npz", b"first")
    store.write("a/checkpoints/1-odd.npz", b"second")
    store.write("b/finals/x.npz", bytes(1_000_000))

    assert store.read("a/checkpoints/1-odd.npz") == b"second"
    assert len(store.read("b/finals/x.npz")) == 1_000_000
    assert store.list("") == ["a/checkpoints/1-odd.npz", "b/finals/x.npz"]
    assert store.list("a") == ["a/checkpoints/1-odd.npz"]
    assert store.exists("a")
    assert store.list("c") == []
    with pytest.raises(ArtifactNotFoundError, match="No artifact at"):
        store.read("a/checkpoints/1-even.npz")
    for _ in range(2):
        store.delete("a")
    assert store.list("") == ["b/finals/x.npz"]


def test_a_shared_store_sees_at_once_what_others_write_and_delete(s3_server: S3Server) -> None:
    store = ArtifactStore(f"s3://{BUCKET}/team")
    other = boto3.client("s3", endpoint_url=s3_server.settings["AWS_ENDPOINT_URL"])
    assert store.list("") == []

    other.put_object(Bucket=BUCKET, Key="team/a", Body=b"x")
    seen = store.list("")
    other.delete_object(Bucket=BUCKET, Key="team/a")

    assert seen == ["a"]
    assert store.list("") == []
    assert not store.exists("a")
    other.close()


def test_a_store_that_is_away_for_a_moment_is_waited_for_and_one_that_stays_away_is_told(s3_server: S3Server) -> None:
    store = ArtifactStore(f"s3://{BUCKET}/team", patience_s=20)
    s3_server.stop_answering()
    back = threading.Timer(2, s3_server.start_again)
    back.start()

    store.write("a", b"x")

    assert store.read("a") == b"x"
    back.join()
    s3_server.stop_answering()
    with pytest.raises(ArtifactStoreAwayError, match="does not answer"):
        ArtifactStore(f"s3://{BUCKET}/team", patience_s=0.5).write("b", b"x")
