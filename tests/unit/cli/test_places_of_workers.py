import socket
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tuner.cli import app
from tuner.settings import read_settings
from tuner.studies.progress import StudyProgress
from tuner.studies.states import StudyState
from tuner.workers.cluster import connection
from tuner.workers.cluster import head as head_node
from tuner.workers.cluster.connection import RayError, describe_refusal
from tuner.workers.cluster.pool import count_open_slots


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["workers", "--gpus-per-worker", "0.25"], "Expected --ray ADDRESS beside it."),
        (["workers", "--detach"], "Expected --ray ADDRESS beside it."),
        (["run", "digits", "--cpus-per-worker", "2"], "Expected --ray ADDRESS beside it."),
        (["workers", "--ray", "auto", "--device", "cpu"], "Chooses devices of this machine."),
        (["run", "digits", "--ray", "auto", "--per-gpu", "2"], "Chooses devices of this machine."),
    ],
)
def test_an_option_of_the_other_place_is_refused(command: list[str], told: str) -> None:
    result = CliRunner().invoke(app, command, env={"COLUMNS": "200"})

    assert result.exit_code == 2
    assert told in result.stderr


def test_a_run_on_a_cluster_stores_nothing_in_a_database_that_its_nodes_cannot_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNER_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TUNER_STORAGE", raising=False)

    result = CliRunner().invoke(app, ["run", "digits", "--ray", "auto"])

    assert isinstance(result.exception, RayError)
    assert "need a Postgres database" in str(result.exception)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("state", "max_workers", "expected"),
    [("searching", None, 90), ("searching", 4, 4), ("finals", None, 6), ("finals", 9, 6), ("stopped", 4, 0)],
)
def test_a_cluster_is_asked_for_no_more_workers_than_a_study_lets_train(
    state: StudyState, max_workers: int | None, expected: int
) -> None:
    study = StudyProgress(
        name="s", state=state, budget=100, complete=10, pruned=0, failed=0, running=2, waiting=88, best_score=None,
        finals_done=3, finals_planned=9, trials_per_hour=None, time_left_s=None, finals_time_left_s=None,
        total_time_left_s=None, stop_reason=None, priority=0, weight=1.0, max_workers=max_workers, limit_left_s=None,
        search_ended=None, finals_ended=None,
    )  # fmt: skip

    assert count_open_slots(study) == expected


def test_another_version_of_ray_or_python_is_named_in_one_line() -> None:
    from ray._private.utils import check_version_info

    with pytest.raises(RuntimeError) as refused:
        check_version_info({"ray_version": "2.10.0", "python_version": "3.9.1"}, "node 10.0.0.1:6379")
    told = describe_refusal("head:6379", refused.value)

    assert told.startswith("The Ray cluster at head:6379 has Ray 2.10.0 and Python 3.9.1, this machine Ray ")
    assert told.endswith(". Install the same versions on both.")
    assert "\n" not in told


class SilentRay:
    """A driver's view of a cluster whose head listens on this port, or on none."""

    def __init__(self, port: int) -> None:
        self.gcs_address = f"127.0.0.1:{port}"

    def get_runtime_context(self) -> "SilentRay":
        return self


def test_a_head_that_stays_away_or_comes_back_as_another_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    now, identities = [100.0], ["first", "first", "second"]
    monkeypatch.setattr(head_node.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(head_node.Head, "_read_identity", lambda _: identities.pop(0))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        head = head_node.Head(SilentRay(listening.getsockname()[1]), "head:6379")
        assert head.is_there()
        with pytest.raises(head_node.HeadLostError, match="has another head node now"):
            head.is_there()

    assert not head.is_there()
    now[0] += 50
    with pytest.raises(head_node.HeadLostError, match="has lost its head node") as lost:
        head.is_there()
    assert lost.value.exit_status == 75


def test_a_process_that_has_lost_its_head_ends_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    noted: list[Any] = []
    monkeypatch.setattr(connection.atexit, "register", lambda *what: noted.append(what))
    monkeypatch.setattr(ray, "init", lambda **_: None)
    monkeypatch.setattr(ray, "shutdown", lambda: noted.append("shutdown"))

    with pytest.raises(head_node.HeadLostError), connection.connected("auto", read_settings({})):
        raise head_node.HeadLostError("auto", is_another=False)

    assert noted == [(connection._leave, 75)]
