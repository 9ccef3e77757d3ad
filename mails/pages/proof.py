"""The proof of a mail as a page that follows the work in the cluster."""

import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automation.events import bell
from automation.events.admin import moment
from automation.events.schedule import is_silent
from automation.rules.databases import database
from mails import samples
from mails.languages import language_name
from mails.models import Mail, Proof
from mails.pages.permitted import permitted
from mails.proofs import Kind, ProofState
from mails.proving import MAX_FINDINGS, MAX_PROBLEMS, MAX_ROWS
from mails.tasks import PROVE_TASK

#: So many findings are shown while there may be more each second.
SHOWN_MEANWHILE = 20
#: After so long without a worker the page says more than that it waits.
LONG = datetime.timedelta(seconds=10)


def page(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """The mail's latest proof, and a button for another one."""
    mail = permitted(model_admin, request, pk)
    now = timezone.now()
    proof = _latest(mail)
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "mail": mail,
        "title": _("Proof of “%(name)s”") % {"name": mail},
        "may_change": model_admin.has_change_permission(request, mail),
        **_progress(proof, now),
    }
    if proof is None or not proof.is_open:
        context["matching"] = samples.count(mail, now)
        context["was_changed"] = proof and proof.version.digest != mail.content().digest
    return TemplateResponse(request, "admin/mails/proof.html", context)


def progress(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """The piece of the page that changes while the proof is on its way."""
    mail = permitted(model_admin, request, pk)
    context = {
        "mail": mail,
        "may_change": model_admin.has_change_permission(request, mail),
        **_progress(_latest(mail), timezone.now()),
    }
    return TemplateResponse(request, "admin/mails/proof_progress.html", context)


def start(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """Ask the cluster for a proof of what the mail says now."""
    mail = _changeable(model_admin, request, pk)
    if request.method == "POST":
        proof, is_new = Proof.ask(mail, request.user, timezone.now())
        if is_new:
            LogEntry.objects.log_actions(
                request.user.pk or 0, [mail], CHANGE, _("Proof asked for"), single_object=True
            )
            transaction.on_commit(lambda: bell.enqueue(PROVE_TASK, proof.pk), using=database())
        else:
            messages.info(request, _("A proof of this mail is on its way already."))
    return _to_page(mail)


def stop(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """End the proof that is on its way; what it has found so far stays."""
    mail = _changeable(model_admin, request, pk)
    if request.method == "POST":
        proof = _latest(mail)
        if proof is not None and proof.is_open:
            proof.request_stop(timezone.now())
    return _to_page(mail)


def _progress(proof: Proof | None, now: datetime.datetime) -> dict[str, Any]:
    """How far ``proof`` is, and what it has found."""
    if proof is None:
        return {"proof": None}
    findings = list(proof.findings.all()[: SHOWN_MEANWHILE if proof.is_open else MAX_FINDINGS])
    languages = [
        (language_name(language), [_grouped(counts.get(kind, 0)) for kind in Kind])
        for language, counts in sorted(proof.by_language.items())
    ]
    looked_for = min(proof.total, MAX_ROWS) if proof.total is not None else None
    return {
        "proof": proof,
        "version": proof.version,
        "when": moment(proof.requested_at),
        "kinds": [
            (kind, kind.label, number, _grouped(number))
            for kind in Kind
            for number in [proof.number(kind)]
        ],
        "done": _grouped(proof.done),
        "out_of": None if looked_for is None else _grouped(looked_for),
        "matched": _grouped(proof.total or 0),
        "languages": languages if len(languages) > 1 else [],
        "elsewhere": max(0, proof.done - sum(proof.number(kind) for kind in Kind)),
        "problems": [
            (said, _grouped(count))
            for _kind, said, count in sorted(proof.by_problem, key=lambda each: -each[2])
        ],
        "has_more_problems": len(proof.by_problem) >= MAX_PROBLEMS,
        "findings": [(each, language_name(each.language)) for each in findings],
        "more_findings": max(0, proof.problems - len(findings)),
        "looked_for": looked_for,
        "is_cut": proof.total is not None and proof.total > MAX_ROWS,
        "most": _grouped(MAX_ROWS),
        "waits": _waits(proof, now),
        "left": _left(proof, looked_for, now),
    }


def _grouped(number: int) -> str:
    return number_format(number, force_grouping=True)


def _waits(proof: Proof, now: datetime.datetime) -> str:
    """Why nothing moves, if nothing does."""
    if not proof.is_open or (proof.lease_until is not None and proof.lease_until > now):
        return ""
    if is_silent(now):
        return _(
            "Waiting for the cluster. It seems not to run: ask whoever runs this site to start "
            "it. The proof begins by itself then."
        )
    if proof.state == ProofState.RUNNING and proof.lease_until is not None:
        return _("The cluster stopped in the middle of it. It goes on within a minute.")
    if now - proof.requested_at > LONG and proof.started_at is None:
        return _("Waiting for the cluster, which has other work to do first …")
    return _("Waiting for the cluster …")


def _left(proof: Proof, looked_for: int | None, now: datetime.datetime) -> str:
    """How long it takes still, at the rate so far."""
    if not proof.is_open or not proof.started_at or not looked_for or proof.done < 1:
        return ""
    spent = (now - proof.started_at).total_seconds()
    seconds = spent / proof.done * max(0, looked_for - proof.done)
    if spent < 2 or seconds < 10:
        return ""
    if seconds < 60:
        return _("less than a minute left")
    minutes = round(seconds / 60)
    return ngettext("about %(count)d minute left", "about %(count)d minutes left", minutes) % {
        "count": minutes
    }


def _latest(mail: Mail) -> Proof | None:
    return mail.proofs.select_related("version", "requested_by").first()


def _changeable(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> Mail:
    mail = permitted(model_admin, request, pk)
    if not model_admin.has_change_permission(request, mail):
        raise PermissionDenied
    return mail


def _to_page(mail: Mail) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:mails_mail_proof", args=[mail.pk]))
