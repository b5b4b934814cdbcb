import gzip
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from dataset_files import draw_images, encode_idx

from tuner.datasets.images import ImageFormat
from tuner.datasets.published.checksum import Checksum
from tuner.datasets.published.download import DownloadError, download_file
from tuner.datasets.published.entry import CatalogueEntry, Publication, PublishedFile
from tuner.datasets.published.fetch import NothingToDownloadError, fetch_dataset
from tuner.datasets.published.kaggle import KAGGLE_DIGITS

CONTENT = encode_idx(draw_images(3000, height=10, width=10))
PUBLISHED = gzip.compress(CONTENT)
CHECKSUM = Checksum(algorithm="sha256", digest=hashlib.sha256(CONTENT).hexdigest(), of="content")


class Mirror:
    """A server on this machine, what it was asked for, and how its next answers go wrong."""

    def __init__(self) -> None:
        self.content = PUBLISHED
        self.status: int | None = None
        #: Bytes of each answer after which the connection is cut, one entry an answer.
        self.cuts: list[int] = []
        self.knows_ranges = True
        #: The Range header of every request; empty where there was none.
        self.ranges: list[str] = []
        self.url = ""


class _Answer(BaseHTTPRequestHandler):
    def __init__(self, mirror: Mirror, *arguments: object) -> None:
        self.mirror = mirror
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.mirror.ranges.append(wanted)
        if self.mirror.status:
            self.send_error(self.mirror.status)
            return
        start = int(wanted[len("bytes=") : -1]) if wanted and self.mirror.knows_ranges else 0
        body = self.mirror.content[start:]
        if wanted and self.mirror.knows_ranges and not body:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header(
                "Content-Range", f"bytes {start}-{len(self.mirror.content) - 1}/{len(self.mirror.content)}"
            )
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Encoding", "x-gzip")  # as Apache says of .gz files
        self.end_headers()
        self.wfile.write(body[: self.mirror.cuts.pop(0)] if self.mirror.cuts else body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output quiet."""


@contextmanager
def running_mirror() -> Iterator[Mirror]:
    mirror = Mirror()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Answer, mirror)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        mirror.url = f"http://127.0.0.1:{server.server_port}/"
        yield mirror
        server.shutdown()
        thread.join()


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with running_mirror() as running:
        yield running


@pytest.fixture
def second_mirror() -> Iterator[Mirror]:
    with running_mirror() as running:
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "data" / "train-images-idx3-ubyte.gz"


@pytest.fixture
def download(target: Path) -> Callable[..., None]:
    def run(*urls: str) -> None:
        download_file([url + target.name for url in urls], target, checksum=CHECKSUM, on_progress=lambda *_: None)

    return run


def test_a_file_arrives_byte_for_byte_and_leaves_nothing_beside_it(
    mirror: Mirror, target: Path, download: Callable[..., None]
) -> None:
    download(mirror.url)

    assert target.read_bytes() == PUBLISHED
    assert list(target.parent.iterdir()) == [target]


def test_progress_counts_up_to_the_size(mirror: Mirror, target: Path) -> None:
    seen: list[tuple[int, int | None]] = []

    download_file([mirror.url], target, checksum=CHECKSUM, on_progress=lambda done, total: seen.append((done, total)))

    assert seen[-1] == (len(PUBLISHED), len(PUBLISHED))
    assert len(seen) > 1


def test_wrong_content_is_refused_and_thrown_away(mirror: Mirror, target: Path, download: Callable[..., None]) -> None:
    mirror.content = gzip.compress(CONTENT[:-1] + b"\1")

    with pytest.raises(DownloadError, match="its sha256 is not the published one"):
        download(mirror.url)

    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("status", [404, 500])
def test_the_next_mirror_is_tried(
    mirror: Mirror, second_mirror: Mirror, target: Path, download: Callable[..., None], status: int
) -> None:
    mirror.status = status

    download(mirror.url, second_mirror.url)

    assert target.read_bytes() == PUBLISHED


def test_a_mirror_with_wrong_content_does_not_keep_the_next_from_helping(
    mirror: Mirror, second_mirror: Mirror, target: Path, download: Callable[..., None]
) -> None:
    mirror.content = b"<html>This page has moved.</html>"

    download(mirror.url, second_mirror.url)

    assert target.read_bytes() == PUBLISHED


def test_a_cut_connection_is_resumed_where_it_ended(
    mirror: Mirror, target: Path, download: Callable[..., None]
) -> None:
    mirror.cuts = [100_000, 50_000]

    download(mirror.url)

    assert target.read_bytes() == PUBLISHED
    assert mirror.ranges == ["", "bytes=100000-", "bytes=150000-"]


def test_a_later_command_goes_on_where_the_first_one_ended(
    mirror: Mirror, target: Path, download: Callable[..., None]
) -> None:
    mirror.cuts = [100_000, 0]
    with pytest.raises(DownloadError, match="the connection was cut"):
        download(mirror.url)
    assert not target.exists()

    download(mirror.url)

    assert target.read_bytes() == PUBLISHED
    assert mirror.ranges[-1] == "bytes=100000-"


def test_a_server_that_cannot_continue_sends_all_of_it_again(
    mirror: Mirror, target: Path, download: Callable[..., None]
) -> None:
    mirror.cuts = [100_000]
    mirror.knows_ranges = False

    download(mirror.url)

    assert target.read_bytes() == PUBLISHED


@pytest.mark.parametrize("left_over", [b"another file's beginning", PUBLISHED + b"and more", b"x" * len(PUBLISHED)])
def test_a_left_over_that_does_not_fit_is_downloaded_anew(
    mirror: Mirror, target: Path, download: Callable[..., None], left_over: bytes
) -> None:
    target.parent.mkdir()
    target.with_name(f".{target.name}.partial").write_bytes(left_over)

    download(mirror.url)

    assert target.read_bytes() == PUBLISHED


def test_a_left_over_that_is_whole_is_used(mirror: Mirror, target: Path, download: Callable[..., None]) -> None:
    target.parent.mkdir()
    target.with_name(f".{target.name}.partial").write_bytes(PUBLISHED)

    download(mirror.url)

    assert target.read_bytes() == PUBLISHED


def test_an_unreachable_server_is_one_clear_line(target: Path, download: Callable[..., None]) -> None:
    with pytest.raises(DownloadError, match=r"http://127\.0\.0\.1:1/.*: no connection\. Check the network") as caught:
        download("http://127.0.0.1:1/")

    assert "\n" not in str(caught.value)
    assert str(target.parent) in str(caught.value)


def test_two_processes_do_not_download_into_one_file(
    mirror: Mirror, target: Path, download: Callable[..., None]
) -> None:
    with pytest.raises(DownloadError, match="another process is downloading it"):
        download_file([mirror.url], target, checksum=CHECKSUM, on_progress=lambda *_: download(mirror.url))


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path, mirror: Mirror) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")

    with pytest.raises(DownloadError, match="File exists"):
        download_file([mirror.url], tmp_path / "file" / "x.gz", checksum=CHECKSUM, on_progress=lambda *_: None)


def entry_at(*mirrors: str) -> CatalogueEntry:
    """A dataset of four equal files."""
    files = [PublishedFile(name=f"{name}.gz", checksum=CHECKSUM, alternatives=(name,)) for name in "abcd"]
    return CatalogueEntry(
        name="blots",
        description="for this test",
        image_format=ImageFormat(height=10, width=10, channels=1, class_names=("0", "1")),
        open_reader=lambda folder: pytest.fail(f"{folder} is not to be read"),
        publication=Publication(mirrors=mirrors, train=(files[0], files[1]), test=(files[2], files[3])),
    )


def test_fetching_gets_what_is_missing_or_damaged_only(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(CONTENT)
    (tmp_path / "b.gz").write_bytes(PUBLISHED[:-10])
    (tmp_path / "c.gz").write_bytes(PUBLISHED)
    seen: list[str] = []

    fetched = fetch_dataset(entry_at(mirror.url), tmp_path, on_progress=lambda name, *_: seen.append(name))

    assert fetched == ("b.gz", "d.gz")
    assert set(seen) == {"b.gz", "d.gz"}
    assert (tmp_path / "b.gz").read_bytes() == (tmp_path / "d.gz").read_bytes() == PUBLISHED


def test_a_folder_that_is_whole_is_not_written_to(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / name).write_bytes(CONTENT)
    tmp_path.chmod(0o555)

    assert fetch_dataset(entry_at("http://127.0.0.1:1/"), tmp_path, on_progress=lambda *_: None) == ()


def test_what_cannot_be_downloaded_says_where_to_get_it_and_where_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(
        NothingToDownloadError, match=rf"cannot be downloaded into {tmp_path}\. Kaggle gives it to members"
    ):
        fetch_dataset(KAGGLE_DIGITS, tmp_path, on_progress=lambda *_: None)
