"""What axe-core finds on a page."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page


def serious_violations(page: Page) -> list[str]:
    """Return what axe-core calls serious or critical, as `rule: element`."""
    response = Axe().run(page).response
    found = response["violations"]
    # Otherwise it looked at nothing.
    assert len(response["passes"]) > 5
    return [
        f"{one['id']}: {node['html'][:200]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]
