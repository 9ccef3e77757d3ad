"""What our apps need of the project that they are installed in."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True)
class Installed:
    """One of our apps. ``needs``: apps that its pages need."""

    name: str
    label: str
    needs: tuple[str, ...]


#: Our apps that are installed, by label.
installed: dict[str, Installed] = {}


def to_add(apps_needed: Iterable[str]) -> str:
    """What to write into the settings for them."""
    lines = " ".join(f'"{name}",' for name in apps_needed)
    return f"Add to it: {lines}"


def make_sure(config: AppConfig, needed: Iterable[str]) -> None:
    """Raise ``ImproperlyConfigured`` unless the apps ``needed`` are installed, whose models ours
    are made of. To be asked before these are imported: that fails with words of Django's about
    something else."""
    if missing := [name for name in needed if not apps.is_installed(name)]:
        raise ImproperlyConfigured(
            f"{config.name} needs {' and '.join(map(repr, missing))} in INSTALLED_APPS. "
            f"{to_add(missing)} (docs/projects.md lists all that Flint needs.)"
        )


def register(config: AppConfig, *, needs: tuple[str, ...] = ()) -> None:
    """Registering the same app again replaces it."""
    installed[config.label] = Installed(config.name, config.label, needs)
