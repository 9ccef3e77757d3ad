"""The site's settings with the app ``tests.listening``."""

from automation.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.listening"]  # noqa: F405
