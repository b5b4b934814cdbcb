"""Options of commands that run for long, for the programs that watch them."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tuner.workers.work import Metrics


class LogFormat(StrEnum):
    """How log lines look."""

    text = "text"
    json = "json"


LogFormatOption = Annotated[
    LogFormat, typer.Option("--log-format", help="Write log lines and messages on stderr as text, or as JSON objects.")
]
MetricsPortOption = Annotated[
    int | None,
    typer.Option(
        min=0, max=65_535, help="Serve metrics for Prometheus on this port; 0 takes any free port.", metavar="N"
    ),
]
MetricsHostOption = Annotated[
    str, typer.Option(help="Address for the metrics. They need no token, and name studies.", metavar="ADDRESS")
]


def apply_log_format(log_format: LogFormat, *, worker: str = "") -> None:
    """Configure logging in this process."""
    from tuner.logs import configure_logging

    configure_logging(worker=worker, log_format=log_format.value)


def pass_log_format(log_format: LogFormat) -> list[str]:
    """Return the options by which a worker of a pool logs in this way; without JSON this process logs as before."""
    if log_format is LogFormat.text:
        return []
    apply_log_format(log_format)
    return ["--log-format", log_format.value]


def describe_metrics(host: str, port: int | None) -> "Metrics | None":
    """Return where a pool serves its metrics; None without a port."""
    if port is None:
        return None
    from tuner.workers.work import Metrics

    shown = f"[{host}]" if ":" in host else host
    return Metrics(
        host=host,
        port=port,
        on_serving=lambda served: typer.echo(f"Metrics: http://{shown}:{served}/metrics", err=True),
    )
