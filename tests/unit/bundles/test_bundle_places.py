from pathlib import Path

import pytest

from tuner.artifacts import ArtifactStore
from tuner.bundles.bundle_places import NotABundleError, read_bundle_file

PATH = "digits/finals/trial-0-repeat-1.bundle"


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    """An artifact store with one bundle, on a disk or behind a URL."""
    store = ArtifactStore(str(tmp_path / "artifacts") if request.param == "folder" else f"memory://{tmp_path}")
    store.write(PATH, b"bundle")
    return store


def test_a_bundle_is_found_by_what_is_printed_of_it(store: ArtifactStore) -> None:
    for place in (store.location(PATH), PATH):
        assert read_bundle_file(place, artifacts=store.url) == b"bundle"


def test_a_bundle_is_found_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.bundle").write_bytes(b"here")

    assert read_bundle_file("x.bundle", artifacts="nowhere") == b"here"
    assert read_bundle_file(Path("x.bundle"), artifacts="nowhere") == b"here"
    assert read_bundle_file(f"file://{tmp_path}/x.bundle", artifacts="nowhere") == b"here"


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("digits/x.bundle", "No such file here, nor in store"),
        ("/nowhere/x.bundle", "No such file"),
        ("memory://nowhere/x.bundle", "No such file"),
        ("s4://bucket/x.bundle", "Protocol not known: s4"),
        ("https://", "is not a bundle"),
        ("/", "Is a directory"),
    ],
)
def test_no_bundle_is_said_to_be_none(place: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(NotABundleError, match=f"^{place} is not a bundle: .*") as caught:
        read_bundle_file(place, artifacts="store")

    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_a_store_only_files_and_urls_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.bundle").write_bytes(b"here")

    assert read_bundle_file(tmp_path / "x.bundle", artifacts=None) == b"here"
    with pytest.raises(NotABundleError, match=r"^s/x\.bundle is not a bundle: No such file here; .*`artifacts`\."):
        read_bundle_file("s/x.bundle", artifacts=None)


def test_a_pointer_of_git_lfs_is_told_as_one(tmp_path: Path) -> None:
    (tmp_path / "x.bundle").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")

    with pytest.raises(NotABundleError, match=r"x\.bundle is not a bundle: it is a pointer of Git LFS, `git lfs pull`"):
        read_bundle_file(tmp_path / "x.bundle", artifacts=None)
