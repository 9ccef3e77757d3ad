"""Admin sites beside the default one: one with all of Flint's pages, one with a few of them."""

from django.contrib import admin

from automation.events.models import Webhook
from generators.models import Generator
from mails.models import Mail

OURS = ("automation_rules", "automation_events", "automation_chains", "generators", "mails")


def site(name: str, *some: type) -> admin.AdminSite:
    """A site with the pages that the default one has of these models."""
    made = admin.AdminSite(name)
    for model in some:
        made.register(model, type(admin.site._registry[model]))
    return made


def all_of_ours() -> list[type]:
    return [model for model in admin.site._registry if model._meta.app_label in OURS]


SITES = [site("counter", *all_of_ours()), site("desk", Generator, Mail, Webhook)]
