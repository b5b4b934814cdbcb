"""The command of the dashboard's pod, and the probe by which Kubernetes looks at it."""

from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from support.dashboard_process import running_dashboard
from support.kubernetes import container_of, find, read_base

from tuner.studies.database.storage import open_storage


def test_the_probe_of_the_dashboard_s_pod_finds_it_ready(tmp_path: Path) -> None:
    container = container_of(find(read_base(), "Deployment", "dashboard"))
    token = tmp_path / "token"
    token.write_text("0123456789abcdef0123456789abcdef")
    command, *options = container["args"]
    assert command == "dashboard"
    mounted = [option.replace("/secrets/dashboard/token", str(token)) for option in options if "--port" not in option]
    probe = container["readinessProbe"]["httpGet"]
    headers = {header["name"]: header["value"] for header in probe["httpHeaders"]}
    storage_url = f"sqlite:///{tmp_path}/tuner.db"
    with open_storage(storage_url):
        """Its role may not write: the workers make the tables."""
    with running_dashboard(storage_url, tmp_path, *mounted) as (address, _):
        url = f"http://127.0.0.1:{address.rsplit(':', 1)[1]}{probe['path']}"
        assert urlopen(Request(url, headers=headers), timeout=10).status == 200
        with pytest.raises(HTTPError, match="4"):
            # As Kubernetes asks without that header: by the pod's address.
            urlopen(Request(url, headers={"Host": "10.1.2.3:8080"}), timeout=10)
