"""What tests of a project need, in one place::

    from automation.testing import assert_mail_rendered, expect, run_generators

Each comes from the app that it is about when it is asked for, so that a project needs only those
of the apps whose tests it writes. Nothing here needs pytest.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from django.apps import apps

if TYPE_CHECKING:
    from automation.events import drain
    from automation.events.testing import capture_events, expect, expect_nothing
    from generators.testing import run_generators
    from mails.testing import assert_mail_rendered

__all__ = [
    "expect",
    "expect_nothing",
    "capture_events",
    "drain",
    "run_generators",
    "assert_mail_rendered",
]

#: Where each is, and the app that must be installed for it.
_PLACES = {
    "expect": ("automation.events.testing", "automation.events"),
    "expect_nothing": ("automation.events.testing", "automation.events"),
    "capture_events": ("automation.events.testing", "automation.events"),
    "drain": ("automation.events", "automation.events"),
    "run_generators": ("generators.testing", "generators"),
    "assert_mail_rendered": ("mails.testing", "mails"),
}

if not TYPE_CHECKING:  # a name that is not there is an error for type checkers, too

    def __getattr__(name: str) -> Any:
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        place, app = _PLACES[name]
        if not apps.is_installed(app):
            raise ImportError(f"{name} needs the app {app!r} in INSTALLED_APPS.")
        return getattr(import_module(place), name)


def __dir__() -> list[str]:
    return __all__
