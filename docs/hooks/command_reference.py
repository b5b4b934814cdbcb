"""The page of all commands, in Markdown, from the command line's own help texts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from tuner.cli import app


def describe_commands() -> str:
    """Return a section for each command, in the order of `tuner --help`."""
    return "\n".join(_walk(typer.main.get_command(app), ("tuner",)))


def _walk(command: Any, words: tuple[str, ...]) -> Iterator[str]:
    yield from _describe(command, words)
    for name, inner in getattr(command, "commands", {}).items():
        if not inner.hidden:
            yield from _walk(inner, (*words, name))


def _describe(command: Any, words: tuple[str, ...]) -> Iterator[str]:
    is_within_group = bool(words[2:])
    depth = "###" if is_within_group else "##"
    yield f"{depth} `{' '.join(words)}` {{ #{'-'.join(words)} }}\n"
    # Click's \b keeps the lines of a paragraph; in Markdown it would be a stray letter.
    yield f"{(command.help or '').replace(chr(8), '')}\n"
    if not getattr(command, "commands", {}):
        usage = command.get_usage(command.context_class(command, info_name=" ".join(words)))
        # Typer puts what is required between braces.
        plain = usage.removeprefix("Usage: ").translate({ord("{"): None, ord("}"): None}).replace("......", "...")
        yield f"```text\n{' '.join(plain.split())}\n```\n"
    if command.epilog:
        yield f"{command.epilog}\n"
    for parameter in command.params:
        if not getattr(parameter, "hidden", False):
            yield _describe_parameter(parameter)


def _describe_parameter(parameter: Any) -> str:
    names = f"`{_name(parameter)}`"
    paragraphs = [line.strip() for line in (parameter.help or "").split("\n\n") if line.strip()]
    if shown := _default(parameter):
        paragraphs[-1:] = [f"{paragraphs[-1]} *Default: `{shown}`.*" if paragraphs else f"*Default: `{shown}`.*"]
    # A list of names, as those of samplers, is one paragraph each.
    text = "\n\n    ".join(paragraphs) or "."
    return f"{names}\n:   {text}\n"


def _name(parameter: Any) -> str:
    if not parameter.opts[0].startswith("-"):
        return str(parameter.metavar or parameter.name.upper())
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    return names if parameter.is_flag else f"{names} {parameter.metavar or _kind(parameter)}"


def _kind(parameter: Any) -> str:
    kind = parameter.type_descriptor.annotation
    return {int: "NUMBER", float: "NUMBER"}.get(kind, "PATH" if "Path" in str(kind) else "TEXT")


def _default(parameter: Any) -> str:
    is_said = "Default:" in (parameter.help or "")
    is_plain = isinstance(parameter.default, str | int | float | Path) and not isinstance(parameter.default, bool)
    return str(parameter.default) if is_plain and not is_said and parameter.show_default else ""
