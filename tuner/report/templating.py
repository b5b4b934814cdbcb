"""Pages and sections whose markup is fixed: Jinja2 templates in which every text is escaped unless it is `Html`."""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from tuner.report.markup import Html


def open_templates(package: str) -> Environment:
    """Return the templates of a package, in its folder `templates`.

    A name that a template uses and is not given is an error; None is written as nothing.
    """
    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=lambda value: "" if value is None else value,
    )


def fill(name: str, **values: Any) -> Html:
    """Return the report's template `name` with these values."""
    return Html(_report_templates().get_template(f"{name}.html").render(values))


@cache
def _report_templates() -> Environment:
    return open_templates("tuner.report")
