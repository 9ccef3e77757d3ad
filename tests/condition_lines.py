"""The lines of a rule's form in a browser, as an editor fills them in."""

from playwright.sync_api import Locator, Page


def line(page: Page, number: int) -> Locator:
    """The line with this number, from 0."""
    return page.locator(".condition-line:not(.empty-form)").nth(number)


def field_of(line: Locator) -> Locator:
    """The field that the line is about, as a search: once scripts have run."""
    named = line.get_by_role("combobox", name="Field", exact=True)
    return named.and_(line.locator("input"))


def choose_field(line: Locator, name: str) -> None:
    """Search for ``name`` and take the best match."""
    field_of(line).fill(name)
    field_of(line).press("Enter")


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until ``wanted`` has the focus."""
    for _step in range(120):
        if wanted.evaluate("node => node === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {wanted}")
