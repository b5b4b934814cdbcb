from pathlib import Path

import pytest

from tuner.artifacts import ArtifactStore
from tuner.bundles.picture_places import NoPicturesError, fetched, find_pictures


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def test_a_folder_stands_for_all_pictures_below_it_in_the_order_of_their_paths(tmp_path: Path) -> None:
    fill(
        tmp_path,
        "b/2.PNG",
        "b/10.jpg",
        "a.png",
        "b.webp",
        "b/deep/er/x.bmp",
        "notes.txt",
        "b/y.heic",
        ".c/z.png",
        "b/._2.png",
    )
    (tmp_path / "link").symlink_to(tmp_path / "b")

    found = find_pictures([tmp_path])

    places = [str(Path(picture.place).relative_to(tmp_path)) for picture in found.pictures]
    assert places == ["a.png", "b/10.jpg", "b/2.PNG", "b/deep/er/x.bmp", "b.webp"]
    assert found.left_out.describe() == "3 files were not read: 1 links to folders, 1 .txt, 1 .heic."
    assert not any(picture.is_named for picture in found.pictures)
    assert found.pictures[3].folder == "er"


def test_files_and_folders_keep_the_order_in_which_they_are_named(tmp_path: Path) -> None:
    fill(tmp_path, "z.png", "folder/a.png", "b.unknown")

    found = find_pictures([tmp_path / "z.png", tmp_path / "folder", tmp_path / "b.unknown", "missing.png"])

    assert [(Path(one.place).name, one.is_named) for one in found.pictures] == [
        ("z.png", True), ("a.png", False), ("b.unknown", True), ("missing.png", True),
    ]  # fmt: skip


def test_a_name_that_no_file_can_have_is_left_to_the_reader() -> None:
    name = "a" * 300 + ".png"

    assert [picture.place for picture in find_pictures([name]).pictures] == [name]


def test_a_folder_without_pictures_says_what_it_holds(tmp_path: Path) -> None:
    fill(tmp_path, "a.txt", "b.txt")

    with pytest.raises(NoPicturesError, match=r": no pictures\. 2 files were not read: 2 \.txt\. Expected PNG"):
        find_pictures([tmp_path])


def test_urls_stand_for_files_and_folders(tmp_path: Path) -> None:
    url = f"memory://{tmp_path}/team"
    store = ArtifactStore(url)
    for name in ("cats/b.png", "cats/a.png", "c.jpg", "list.csv"):
        store.write(name, name.encode())

    found = find_pictures([f"{url}/", f"{url}/cats/a.png", f"{url}/cats/none.png"])

    names = ["c.jpg", "cats/a.png", "cats/b.png", "cats/a.png", "cats/none.png"]
    assert [picture.place for picture in found.pictures] == [f"{url}/{name}" for name in names]
    assert found.left_out.describe() == "1 file was not read: 1 .csv."
    with fetched(found.pictures) as files:
        contents = [file.read_bytes().decode() if isinstance(file, Path) else file for file in files]
    assert contents == [*names[:4], "No such file"]
    assert not any(file.exists() for file in files if isinstance(file, Path))


@pytest.mark.parametrize(("url", "reason"), [("nosuch://x/y", "Protocol not known"), ("memory://none", "no pictures")])
def test_a_url_that_leads_nowhere_is_told_in_one_line(url: str, reason: str) -> None:
    with pytest.raises(NoPicturesError, match=f"^{url}: {reason}"):
        find_pictures([url])
