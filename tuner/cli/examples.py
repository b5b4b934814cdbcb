"""An example for every command, which its help ends with, and what all of them have in common."""

from collections.abc import Iterator, Mapping
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

#: Command → what a person may type. Tests parse each.
EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "run": (
        "tuner run digits",
        "tuner run --space cnn --dataset ./pictures --trials 30",
    ),
    "init": ("tuner init pets --space my_models:Net --dataset ./pictures",),
    "study create": (
        "tuner study create --space cnn --dataset mnist --trials 100",
        "tuner study create studies/mnist-cnn.toml --set search.epochs=5",
    ),
    "study check": ("tuner study check --space my_models:Net --dataset ./pictures",),
    "study list": ("tuner study list --json",),
    "study show": ("tuner study show mnist-cnn",),
    "study extend": ("tuner study extend mnist-cnn --trials 50",),
    "study stop": ("tuner study stop mnist-cnn",),
    "study resume": ("tuner study resume mnist-cnn",),
    "study delete": ("tuner study delete mnist-cnn",),
    "study definitions": ("tuner study definitions mnist-cnn",),
    "study set": ("tuner study set mnist-cnn --priority 5 --max-workers 4",),
    "study settings": ("tuner study settings search.pruning",),
    "study export": ("tuner study export mnist-cnn --to trials.csv",),
    "trial list": ("tuner trial list mnist-cnn --sort score",),
    "trial show": ("tuner trial show mnist-cnn 7",),
    "trial replay": ("tuner trial replay mnist-cnn 7",),
    "worker": ("tuner worker mnist-cnn --device gpu:0",),
    "workers": (
        "tuner workers mnist-cnn -n 4 --until-done",
        "tuner workers --ray head-node:6379 --gpus-per-worker 0.25 --detach",
    ),
    "finals": ("tuner finals mnist-cnn --top 5 --until-done",),
    "ensemble": ("tuner ensemble mnist-cnn mnist-mlp",),
    "report": ("tuner report mnist-cnn mnist-mlp --out families.html",),
    "predict": ("tuner predict winner.bundle photo.png",),
    "export": (
        "tuner export winner.bundle --to model.keras",
        "tuner export winner.bundle --to model.onnx --input uint8",
        "tuner export winner.bundle --script",
    ),
    "submit": (
        "tuner submit winner.bundle test.csv --out submission.csv",
        "tuner submit winner.bundle test --like sample_submission.csv",
    ),
    "inspect": ("tuner inspect winner.bundle photo.png",),
    "lr-range": ("tuner lr-range --space cnn --dataset mnist --optimizers sgd,adam",),
    "status": ("tuner status --watch",),
    "dashboard": ("tuner dashboard --port 9000",),
    "doctor": ("tuner doctor",),
    "gc": ("tuner gc --dry-run",),
    "space list": ("tuner space list",),
    "space show": ("tuner space show my_models:Net --dataset-shape 32x32x3 --classes 4",),
    "dataset list": ("tuner dataset list",),
    "dataset show": ("tuner dataset show ./pictures --resize 64x64 --sheet sheet.png",),
    "dataset fetch": ("tuner dataset fetch mnist",),
    "database prepare": ("tuner database prepare --storage postgresql://user:password@host/tuner",),
}


class _Flags:
    """Shows a flag without the type that it has inside."""

    def get_params(self, context: Any) -> list[Any]:
        params: list[Any] = super().get_params(context)  # type: ignore[misc] # of Typer's command
        for param in params:
            if isinstance(param, TyperOption) and param.is_flag and param.metavar is None:
                param.metavar = ""
        return params


class _Command(_Flags, TyperCommand):
    pass


class _Group(_Flags, TyperGroup):
    pass


def complete_help(app: typer.Typer) -> None:
    """Give every command `-h`, its example, and flags without types."""
    app.info.cls = _Group
    app.info.context_settings = {"help_option_names": ["-h", "--help"]}
    for name, command in commands_of(app):
        command.cls = _Command
        command.epilog = "\n\n".join(f"Example: {line}" for line in EXAMPLES.get(name, ())) or None
    for group in app.registered_groups:
        if group.typer_instance is not None:
            group.typer_instance.info.cls = _Group


def commands_of(app: typer.Typer, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the name of every command, with its group's before it, and Typer's record of it."""
    for command in app.registered_commands:
        name = command.name or (command.callback.__name__ if command.callback else "")
        yield f"{prefix}{name.replace('_', '-')}", command
    for group in app.registered_groups:
        if group.typer_instance is not None:
            yield from commands_of(group.typer_instance, f"{prefix}{group.name} ")
