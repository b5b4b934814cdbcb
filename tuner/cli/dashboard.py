"""`tuner dashboard`: Optuna Dashboard with the fleet and the reports beside it, guarded."""

from pathlib import Path
from typing import Annotated

import typer

from tuner.cli.options import StorageOption, settings_for
from tuner.cli.watching_options import LogFormat, LogFormatOption, apply_log_format


def dashboard(
    *,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on; addresses other than this machine's loopback need a token.", metavar="ADDRESS"
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 takes any free port.", metavar="N")
    ] = 8080,
    allow_writes: Annotated[
        bool, typer.Option("--allow-writes", help="Let visitors change notes and delete studies; needs a token.")
    ] = False,
    token_file: Annotated[
        Path | None,
        typer.Option(help="File with the token for signing in.", metavar="FILE", show_default="TUNER_DASHBOARD_TOKEN"),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(help="Another host name by which visitors reach the dashboard; may be repeated.", metavar="NAME"),
    ] = None,
    metrics_token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with another token, with which Prometheus reads /metrics.",
            metavar="FILE",
            show_default="no metrics",
        ),
    ] = None,
    log_format: LogFormatOption = LogFormat.text,
    storage: StorageOption = None,
) -> None:
    """Show studies, workers and reports in a browser; by default read-only and for this machine alone."""
    apply_log_format(log_format)
    settings = settings_for(storage)
    from tuner.dashboard.server import Access, serve
    from tuner.dashboard.visitors import read_token

    access = Access(
        host=host,
        port=port,
        token=read_token(token_file) if token_file else settings.dashboard_token,
        allow_writes=allow_writes,
        allowed_hosts=allowed_host or [],
        metrics_token=read_token(metrics_token_file) if metrics_token_file else None,
    )
    mode = "visitors may write" if allow_writes else "read-only"
    status = serve(settings, access, on_listening=lambda url: typer.echo(f"Dashboard ({mode}): {url}", err=True))
    raise typer.Exit(status)
