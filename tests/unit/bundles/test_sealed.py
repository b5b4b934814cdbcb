import hashlib
import io
import random
import zipfile

import pytest

from tuner.bundles.sealed import NotSealedError, SealBrokenError, seal, unseal

MEMBERS = {"text.json": b"{}", "numbers.npz": bytes(range(256)) * 8}


def unseal_bytes(content: bytes) -> dict[str, bytes]:
    return unseal(io.BytesIO(content), max_bytes={"numbers.npz": 4096})


def zip_of(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_members_come_back_as_they_were_sealed() -> None:
    assert unseal_bytes(seal(MEMBERS)) == MEMBERS


def test_equal_members_give_equal_bytes() -> None:
    assert seal(MEMBERS) == seal(MEMBERS)


def test_the_hashes_are_those_of_sha256sum() -> None:
    with zipfile.ZipFile(io.BytesIO(seal(MEMBERS))) as archive:
        lines = archive.read("SHA256SUMS").decode().splitlines()

    assert lines == [f"{hashlib.sha256(content).hexdigest()}  {name}" for name, content in MEMBERS.items()]


def test_no_flipped_bit_changes_what_is_read() -> None:
    sealed = seal(MEMBERS)
    for place in random.Random(0).sample(range(len(sealed)), k=min(len(sealed), 1500)):  # noqa: S311 - no secret
        content = bytearray(sealed)
        content[place] ^= 1 << place % 8
        try:
            assert unseal_bytes(bytes(content)) == MEMBERS
        except (NotSealedError, SealBrokenError):
            continue


@pytest.mark.parametrize("cut", [0, 1, 100, 2000])
def test_a_file_cut_short_is_no_sealed_zip(cut: int) -> None:
    with pytest.raises(NotSealedError, match="no zip file, or one cut short"):
        unseal_bytes(seal(MEMBERS)[:cut])


def test_a_changed_member_breaks_the_seal() -> None:
    sums = zipfile.ZipFile(io.BytesIO(seal(MEMBERS))).read("SHA256SUMS")

    with pytest.raises(SealBrokenError, match="do not belong together"):
        unseal_bytes(zip_of({**MEMBERS, "text.json": b"[]", "SHA256SUMS": sums}))


@pytest.mark.parametrize("members", [{"text.json": b"{}"}, {**MEMBERS, "more.txt": b"!"}])
def test_an_added_or_missing_member_breaks_the_seal(members: dict[str, bytes]) -> None:
    sums = zipfile.ZipFile(io.BytesIO(seal(MEMBERS))).read("SHA256SUMS")

    with pytest.raises(SealBrokenError):
        unseal_bytes(zip_of({**members, "SHA256SUMS": sums}))


def test_a_zip_without_hashes_is_not_sealed() -> None:
    with pytest.raises(NotSealedError, match="a zip file of 2 members without one SHA256SUMS"):
        unseal_bytes(zip_of(MEMBERS))


def test_a_compressed_member_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(NotSealedError, match="compressed"):
        unseal_bytes(zip_of({"text.json": bytes(10**6), "SHA256SUMS": b""}, zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize("name", ["numbers.npz", "other.txt"])
def test_a_member_above_its_limit_is_refused(name: str) -> None:
    with pytest.raises(NotSealedError, match="too large"):
        unseal_bytes(seal({name: bytes(4 * 1024**2 + 1)}))


def test_a_damaged_directory_is_told_without_the_content_of_the_file() -> None:
    sealed = seal({"text.json": b"x" * 5_000})
    # The length of the first name in its own header: the name then reaches over the content.
    damaged = sealed[:26] + (4_000).to_bytes(2, "little") + sealed[28:]

    with pytest.raises(SealBrokenError, match=r"File name in directory 'text\.json' and header") as caught:
        unseal_bytes(damaged)

    assert len(str(caught.value)) < 300
