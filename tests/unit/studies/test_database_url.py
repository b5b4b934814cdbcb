import pytest

from tuner.studies.database.url import (
    StorageUnreachableError,
    only_reads,
    parse_url,
    printable_url,
    sqlite_file,
    without_secrets,
)

SECRETS = ("s3", "cret", "8765", "w%rd")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:s3cret@host/db", "postgresql+psycopg2://me:***@host/db"),
        ("POSTGRES://me:s3:c/r#e%t?x@host/db", "postgresql+psycopg2://me:***@host/db"),
        ("postgresql://host/db?password=s3cret", "postgresql+psycopg2://host/db?password=***"),
        (
            "postgresql://h/d?sslpassword=s3cret&sslmode=require",
            "postgresql+psycopg2://h/d?sslmode=require&sslpassword=***",
        ),
        ("postgresql://h/d?passfile=/home/s3cret", "postgresql+psycopg2://h/d?passfile=***"),
        ("postgresql://h/d?passfile=s3&passfile=cret", "postgresql+psycopg2://h/d?passfile=***"),
        ("postgresql://h/d?whatever=s3cret", "postgresql+psycopg2://h/d?whatever=***"),
        ("sqlite:////a/folder/tuner.db", "sqlite:////a/folder/tuner.db"),
        ("sqlite:///file:tuner.db?mode=ro&uri=true", "sqlite:///file:tuner.db?mode=ro&uri=true"),
    ],
)
def test_a_printed_url_hides_all_that_may_be_secret(url: str, shown: str) -> None:
    assert printable_url(url) == shown


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://bob:s3@cret@127.0.0.1/t1", "@ more than once"),
        ("postgresql://bob:s3@cret:s/w%rd#1@127.0.0.1/t1", "@ more than once"),
        ("postgresql://bob:s3@cret?w%rd@127.0.0.1/t1", "@ more than once"),
        ("postgresql://bob:s3cret", "port is no number"),
        ("postgresql://bob:s3cret/t1", "port is no number"),
        ("postgresql://bob:87654321", "from 1 to 65535"),
        ("postgresql://bob:s3%00cret@host/t1", "control character"),
        ("postgresql://bob:s3cret@host/t1\n", "control character"),
        ("postgresql://bob:s3cret\udcff@host/t1", "no UTF-8"),
        ("host=h dbname=d user=u password=s3cret", "libpq's form"),
        ("password='s3://cret' host=h", "libpq's form"),
        ("postgresql+psycopg://u:s3cret@h/d", "psycopg2"),
        ("mysql://u:s3cret@h/d", "SQLite and Postgres"),
        ("s3cret", "no SQLAlchemy URL"),
        ("postgresql://h/d?dsn=password%3Ds3cret", "libpq does not know"),
        ("postgresql://h/d?connection_factory=s3cret", "libpq does not know"),
        ("postgresql://h/d?sslkey=s3&sslkey=cret", "more than once"),
        ("postgresql:///d?host=h:x&host=i", "another kind"),
        ("sqlite:///~/tuner.db", "begins with ~"),
        ("sqlite://", "in memory"),
        ("sqlite:///", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:///file::memory:?cache=shared&uri=true", "in memory"),
        ("sqlite:///file:x?mode=memory&uri=true", "in memory"),
        ("sqlite:///x.db?mode=ro", "file:PATH"),
        ("sqlite:///file:x.db", "file:PATH"),
        ("sqlite://x.db", "three slashes"),
        ("sqlite://u:s3cret@h/x.db", "three slashes"),
        ("sqlite:///x.db?timeout=soon", "another kind"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused_in_one_line_without_any_part_of_a_password(
    url: str, reason: str
) -> None:
    with pytest.raises(StorageUnreachableError, match=reason) as raised:
        parse_url(url)

    assert "\n" not in str(raised.value)
    assert not any(secret in str(raised.value) for secret in SECRETS)
    assert raised.value.__context__ is None


def test_a_drivers_words_lose_the_password_as_written_and_as_decoded() -> None:
    said = "could not connect with p@zz, p%40zz or kk"

    kept = without_secrets(said, "postgresql://u:p%40zz@h/d?sslpassword=kk")

    assert kept == "could not connect with ***, *** or ***"


@pytest.mark.parametrize(
    ("url", "path", "reads"),
    [
        ("sqlite:////a/b.db", "/a/b.db", False),
        ("sqlite:///file:/a/b%2520c.db?uri=true", "/a/b c.db", False),
        ("sqlite:///file:///a/b.db?mode=ro&uri=true", "/a/b.db", True),
    ],
)
def test_sqlites_own_form_names_the_same_file(url: str, path: str, reads: bool) -> None:  # noqa: FBT001 - a column
    target = parse_url(url)

    assert str(sqlite_file(target)) == path
    assert only_reads(target) is reads
