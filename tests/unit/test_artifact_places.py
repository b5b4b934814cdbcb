import pytest

from tuner.artifacts import ArtifactStore, UnknownArtifactStoreError


@pytest.mark.parametrize(
    ("url", "reason"),
    [("nosuch://x", "Protocol not known: nosuch"), ("zip://x", "Is a directory"), ("ftp://", "argument: 'host'")],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of fsspec's half-made objects
def test_a_store_that_cannot_be_opened_is_told_in_one_line(url: str, reason: str) -> None:
    with pytest.raises(UnknownArtifactStoreError) as refused:
        ArtifactStore(url)

    assert f"Cannot open the artifact store {url}: " in str(refused.value)
    assert reason in refused.value.reason
    assert "\n" not in str(refused.value)
