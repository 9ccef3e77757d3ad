"""What every change of a chain brings about, on whichever page it was made."""

from typing import Any

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext

from automation.chains.chain import Chain, State


def pause_changed(request: HttpRequest, chain: Chain) -> None:
    """An armed chain that means something else now stands still until it is armed again: only
    then somebody sees whom it reaches. Who is on the way stays where they are."""
    chain.refresh_from_db(fields=["state"])
    if chain.state == State.ARMED:
        chain.pause(
            gettext(
                "It was changed. Arm it again to see whom it reaches; until then everybody stays "
                "where they are."
            )
        )
        messages.warning(request, chain.state_reason)


def note_on_chain(request: HttpRequest, chain: Chain, rule: Any, what: str) -> None:
    """What happens to a rule of a chain is part of the chain's history."""
    name = f" “{rule.name}”" if hasattr(rule, "name") else ""
    said = f"{rule._meta.verbose_name}{name} {what}"
    LogEntry.objects.log_actions(request.user.pk or 0, [chain], CHANGE, said, single_object=True)


def to_chain(chain: Chain, part: str = "") -> HttpResponseRedirect:
    url = reverse("admin:automation_chains_chain_change", args=[chain.pk])
    return HttpResponseRedirect(f"{url}#{part}" if part else url)
