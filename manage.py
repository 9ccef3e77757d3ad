#!/usr/bin/env python
"""Run Django's commands for the Flint site."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "automation.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError as error:
        raise SystemExit(
            f"Django cannot be imported ({error}). "
            "`make demo` or `make test` sets up .venv with everything needed."
        ) from error
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
