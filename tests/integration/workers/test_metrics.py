"""Metrics as Prometheus reads them: over HTTP, from the database and from the processes of a pool."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from support.dashboard_process import running_dashboard

from tuner.counters import SHARED_FOLDER
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.definitions.making import make_definition
from tuner.studies.fleet import register_worker
from tuner.studies.lifecycle import insert_study
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import end_slot, renew_lease
from tuner.studies.slots.outcomes import SearchOutcome
from tuner.studies.trials import close_ended_trials, open_trial
from tuner.workers.metrics import MetricsAddressError, serving_metrics

TOKEN = "a token for prometheus alone".replace(" ", "-")
OF_VISITORS = TOKEN[::-1]
Samples = dict[tuple[str, ...], float]


@pytest.fixture
def opened(sqlite_url: str) -> Iterator[Storage]:
    """A study with a finished trial, a leased one and two that wait."""
    with open_storage(sqlite_url) as storage:
        definition = make_definition(space="mlp", dataset="digits", name="s", trials=4)
        study = insert_study(storage, definition, class_names=["0", "1"], provenance={})
        register_worker(storage, worker_id="w", host="box", device="cpu", pid=1)
        for state in ("complete", None):
            lease = claim_slot(storage, owner="w")
            assert lease is not None
            open_trial(storage, study, lease)
            renew_lease(storage, lease, epoch=3)
            if state:
                end_slot(storage, lease, SearchOutcome(state="complete", score=0.5, best_epoch=1))
        close_ended_trials(storage)
        yield storage


def scrape(url: str, token: str | None = None) -> Samples:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    answer = requests.get(url, headers=headers, timeout=20)
    answer.raise_for_status()
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items(), reverse=True))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


OF_THE_STUDY = {
    ("tuner_database_up",): 1,
    ("tuner_trials", "s", "complete"): 1,
    ("tuner_trials", "s", "running"): 1,
    ("tuner_trials", "s", "waiting"): 2,
    ("tuner_waiting_slots", "s"): 2,
    ("tuner_leased_slots", "s"): 1,
    ("tuner_study_epochs", "s"): 6,
    ("tuner_workers", "waiting"): 1,
}


def count_in_a_process(name: str, *calls: str) -> None:
    code = ";".join([f"from tuner.counters import *; share_counters({name!r})", *calls])
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_pool_serves_what_the_database_and_its_processes_count(opened: Storage) -> None:
    with serving_metrics(opened, host="127.0.0.1", port=0) as port:
        url = f"http://127.0.0.1:{port}/metrics"
        count_in_a_process("worker-0", "count('epochs', 3)", "count('images', 300)", "count('lease_renewals')")
        count_in_a_process("worker-1", "count('epochs')", "count('database_retries', 2)", "count('database_outages')")
        first = scrape(url)
        # The successor of a worker goes on with its counts.
        count_in_a_process("worker-0", "count('epochs', 2)")
        second = scrape(url)

    assert OF_THE_STUDY.items() <= first.items()
    counted = {name: first[f"tuner_{name}_total",] for name in ("epochs", "images", "lease_renewals")}
    assert counted == {"epochs": 4, "images": 300, "lease_renewals": 1}
    assert (first["tuner_database_retries_total",], first["tuner_database_outages_total",]) == (2, 1)
    assert second["tuner_epochs_total",] == 6
    assert SHARED_FOLDER not in os.environ


def test_a_database_that_is_away_is_a_metric(opened: Storage) -> None:
    with serving_metrics(opened, host="127.0.0.1", port=0) as port:
        opened.engine.dispose()
        Path(str(opened.engine.url.database)).unlink()

        samples = scrape(f"http://127.0.0.1:{port}/metrics")

    assert samples["tuner_database_up",] == 0
    assert not any(name[0] == "tuner_trials" for name in samples)


def test_an_address_that_cannot_be_used_is_told_in_one_line(opened: Storage) -> None:
    with (
        serving_metrics(opened, host="127.0.0.1", port=0) as port,
        pytest.raises(MetricsAddressError, match=f"Cannot serve metrics on 127.0.0.1:{port}: Address already in use"),
        serving_metrics(opened, host="127.0.0.1", port=port),
    ):
        pass


def test_the_dashboard_shows_metrics_to_the_holder_of_their_own_token(opened: Storage, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    url = opened.engine.url.render_as_string(hide_password=False)
    with running_dashboard(url, tmp_path, "--metrics-token-file", str(file), token=OF_VISITORS) as (
        address,
        _,
    ):
        samples = scrape(f"{address}/metrics", TOKEN)
        with pytest.raises(requests.HTTPError) as refused:
            scrape(f"{address}/metrics", OF_VISITORS)
        with pytest.raises(requests.HTTPError) as elsewhere:
            scrape(f"{address}/fleet.json", TOKEN)

    assert OF_THE_STUDY.items() <= samples.items()
    assert (refused.value.response.status_code, elsewhere.value.response.status_code) == (401, 401)
