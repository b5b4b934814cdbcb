"""The page of all settings, in Markdown, from the fields of a study definition."""

from collections.abc import Iterator

from tuner.studies.definitions.settings_reference import SectionReference, SettingReference, list_settings


def describe_settings() -> str:
    """Return a section with a table for each section of a definition."""
    return "\n".join(line for section in list_settings() for line in _describe(section))


def _describe(section: SectionReference) -> Iterator[str]:
    if section.name == "published":
        yield "## `[[published]]` { #published }\n"
    elif section.name:
        yield f"## `[{section.name}]` {{ #{section.name} }}\n"
    else:
        yield "## Above all sections { #top }\n"
    yield f"{_sentence(section.meaning)}\n"
    if section.may_be_ranges:
        yield (
            "Each value may be a range from which the search draws: `{low = …, high = …}` with `step` or `log = true`, "
            "or `{values = […]}` ([more](training.md#ranges)).\n"
        )
    if not section.settings:
        return
    yield '<div class="settings" markdown>\n'
    yield "| setting | default | allowed | meaning |\n|---|---|---|---|"
    for setting in section.settings:
        yield _row(setting, section.name)
    yield "\n</div>\n"


def _row(setting: SettingReference, section: str) -> str:
    name = setting.key.removeprefix(f"{section}.") if section else setting.key
    allowed = f"{setting.allowed} ({setting.unit})" if setting.unit else setting.allowed
    anchor = f'<span id="{setting.key}"></span>'
    return f"| {anchor}`{name}` | {setting.default} | {allowed} | {setting.meaning} |"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
