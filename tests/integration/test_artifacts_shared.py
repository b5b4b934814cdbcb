import threading
from pathlib import Path

import pytest

from tuner.artifacts import ArtifactStore


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


def test_a_shared_store_remembers_no_listing() -> None:
    store = ArtifactStore("s3://bucket/folder")

    # Against a server of S3's kind, `exists` was wrong about what other processes wrote and deleted.
    assert not store._fs.dircache.use_listings_cache
