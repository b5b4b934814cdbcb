"""`tuner status`: what the workers are doing."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.options import JsonOption, StorageOption, settings_for
from tuner.cli.output import open_console, print_json

if TYPE_CHECKING:
    from tuner.plain_values import JSONObject
    from tuner.studies.database.storage import Storage


def status(
    *,
    as_json: JsonOption = False,
    watch: Annotated[bool, typer.Option("--watch", help="Update the display every two seconds, until Ctrl-C.")] = False,
    storage: StorageOption = None,
) -> None:
    """Show the workers with their devices and trials, the trials per hour and the time left."""
    from tuner.studies.database.storage import open_storage

    with open_storage(settings_for(storage).storage) as opened:
        if as_json:
            print_json(_as_json(opened))
            return
        from rich.live import Live

        from tuner.cli.progress import draw_fleet

        if not watch:
            open_console().print(draw_fleet(opened))
            return
        with Live(draw_fleet(opened), console=open_console(), auto_refresh=False) as live:
            while True:
                time.sleep(2)
                live.update(draw_fleet(opened), refresh=True)


def _as_json(storage: "Storage") -> "JSONObject":
    from dataclasses import asdict

    from tuner.studies.fleet import read_fleet

    fleet = read_fleet(storage)
    return {
        "workers": [asdict(worker) for worker in fleet.workers],
        "trials_per_hour": fleet.trials_per_hour,
        "time_left_s": fleet.time_left_s,
        "studies": [asdict(study) for study in fleet.studies],
    }
