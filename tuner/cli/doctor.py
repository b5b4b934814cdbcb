"""`tuner doctor`: what works on this machine, what does not, and the command that repairs it."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from tuner.cli.options import JsonOption, StorageOption, settings_for
from tuner.cli.output import open_console, open_progress_console, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from tuner.doctor.finding import Finding


def doctor(
    *,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check database, data, devices and versions; exit status 1 when something does not work."""
    from tuner.doctor import examine

    console = open_console()
    findings = []
    with open_progress_console().status("Checking …"):
        for finding in examine(settings_for(storage)):
            findings.append(finding)
            if not as_json:
                _print_finding(console, finding)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _print_finding(console: "Console", finding: "Finding") -> None:
    from rich.markup import escape

    mark = "[green]ok  [/]" if finding.ok else "[red]FAIL[/]"
    console.print(f"{mark} [bold]{finding.check}[/]: {escape(finding.message)}", highlight=False, soft_wrap=True)
    if finding.fix:
        verb = "better" if finding.ok else "fix"
        console.print(f"     {verb}: [cyan]{escape(finding.fix)}[/]", highlight=False, soft_wrap=True)
