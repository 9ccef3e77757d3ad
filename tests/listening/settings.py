"""The site's settings with the app ``tests.listening``, and a host that webhooks may call."""

import os

from automation.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.listening"]  # noqa: F405
AUTOMATION = {"WEBHOOK_INSIDE_HOSTS": (os.environ.get("INSIDE_HOST", "localhost"),)}
