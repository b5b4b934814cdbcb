"""A value as a notebook shows it: a heading over a small table, as HTML that any page can hold.

Colours are the page's own, so that it is readable in light and in dark notebooks.
"""

import html
from collections.abc import Mapping

_HEADING = "text-align:left;padding:2px 8px;font-weight:bold"
_NAME = "text-align:left;white-space:nowrap;padding:2px 8px;font-weight:normal;opacity:0.75"
_VALUE = "text-align:left;padding:2px 8px"
#: Longer texts lose their end: a path or an error may be very long.
_MAX_LENGTH = 300


def summary_html(title: str, rows: Mapping[str, object], *, below: str = "") -> str:
    """Return a table with a row for each name and value; both are text and are escaped.

    Args:
        title: The heading.
        rows: What stands beside each name; None is left out.
        below: Markup that was made by this package, below the table.
    """
    body = "".join(
        f'<tr><th scope="row" style="{_NAME}">{_escape(name)}</th><td style="{_VALUE}">{_escape(value)}</td></tr>'
        for name, value in rows.items()
        if value is not None
    )
    heading = f'<thead><tr><th colspan="2" style="{_HEADING}">{_escape(title)}</th></tr></thead>'
    return f"<div><table>{heading}<tbody>{body}</tbody></table>{below}</div>"


def _escape(value: object) -> str:
    # As the report writes hyperparameters.
    text = str(value).lower() if isinstance(value, bool) else f"{value:.4g}" if isinstance(value, float) else str(value)
    return html.escape(text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]}…")
