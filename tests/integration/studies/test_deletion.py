from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.running_studies import create_study

from tuner.artifacts import ArtifactNotRemovedError, ArtifactStore
from tuner.studies.database.storage import Storage
from tuner.studies.deletion import remove_study
from tuner.studies.lifecycle import find_study, list_names


def refusing(call: Callable[..., Any], *, errors: list[OSError]) -> Callable[..., Any]:
    """Return the call, which fails with each of these errors first, as a disk that is mounted read-only does."""

    def refuse(*arguments: Any, **options: Any) -> Any:
        if errors:
            raise errors.pop()
        return call(*arguments, **options)

    return refuse


def test_a_study_whose_files_cannot_be_removed_is_still_there_and_goes_the_next_time(
    storage: Storage, artifacts: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = create_study(storage)
    artifacts.write(f"{study.folder}/finals/bundle", b"content")
    monkeypatch.setattr(artifacts._fs, "rm", refusing(artifacts._fs.rm, errors=[OSError(30, "Read-only file system")]))

    with pytest.raises(ArtifactNotRemovedError, match="Read-only file system") as raised:
        remove_study(storage, artifacts, study)
    left = find_study(storage, study.name)
    remove_study(storage, artifacts, left)

    assert "\n" not in str(raised.value)
    assert list_names(storage) == []
    assert artifacts.list(study.folder) == []


def test_a_study_without_files_needs_no_writable_store(storage: Storage, tmp_path: Path) -> None:
    study = create_study(storage)

    remove_study(storage, ArtifactStore(str(tmp_path / "nowhere")), study)

    assert list_names(storage) == []
