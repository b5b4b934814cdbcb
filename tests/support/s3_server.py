"""A store of S3's kind on this machine: a process of moto's, which a test may kill and start again."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import pytest

#: Name of the bucket that the server has from its first answer on.
BUCKET = "artifacts"
_SERVE = f"""
import sys
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import main

s3_backends[DEFAULT_ACCOUNT_ID]["aws"].create_bucket("{BUCKET}", "us-east-1")
main(sys.argv[1:])
"""


class S3Server:
    """Keeps nothing once it is killed."""

    def __init__(self, listen_on: str) -> None:
        self._listen_on = listen_on
        with socket.socket() as listener:
            listener.bind((listen_on, 0))
            self.port: int = listener.getsockname()[1]
        self.process = self._start()

    @property
    def settings(self) -> Mapping[str, str]:
        """What a process needs in its environment to use the server."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def stop_answering(self) -> None:
        """Refuse connections from now on, as when the network or the store is down."""
        self.process.kill()
        self.process.wait()

    def start_again(self) -> None:
        """Answer again; the bucket is there, its files are not."""
        self.process = self._start()

    def list_files(self) -> list[str]:
        """Return the names of the files in the bucket, the first thousand."""
        with self._client() as client:
            return [found["Key"] for found in client.list_objects_v2(Bucket=BUCKET).get("Contents", ())]

    def _client(self) -> closing[Any]:
        import boto3

        return closing(boto3.client("s3", **_spelt_out(self.settings)))

    def _start(self) -> subprocess.Popen[bytes]:
        with tempfile.TemporaryFile() as printed:
            process = subprocess.Popen(
                [sys.executable, "-c", _SERVE, "-H", self._listen_on, "-p", str(self.port)],
                env={**os.environ, "MOTO_IAM_LOAD_MANAGED_POLICIES": "false"},
                stdout=printed,
                stderr=printed,
            )
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and process.poll() is None:
                if self._answers():
                    return process
                time.sleep(0.1)
            process.kill()
            process.wait()
            printed.seek(0)
            pytest.fail(f"moto's server did not start: {printed.read().decode()[-2000:]}")

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


def _spelt_out(settings: Mapping[str, str]) -> dict[str, str]:
    return {
        "endpoint_url": settings["AWS_ENDPOINT_URL"],
        "aws_access_key_id": settings["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": settings["AWS_SECRET_ACCESS_KEY"],
        "region_name": settings["AWS_DEFAULT_REGION"],
    }


@contextmanager
def running_s3_server(*, listen_on: str = "127.0.0.1") -> Iterator[S3Server]:
    """Run a server with one empty bucket; on 0.0.0.0 containers reach it too, by their network's gateway."""
    server = S3Server(listen_on)
    try:
        yield server
    finally:
        server.stop_answering()
