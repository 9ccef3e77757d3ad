"""The advice beside the editor: of the form as it stands, saved or not."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import FieldDoesNotExist, PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mails import samples
from mails.advice import Level, advice
from mails.content import Content
from mails.languages import language_name
from mails.mail import templates_of, used_snippets
from mails.models import Mail, Variant
from mails.proofreading import WORDED

#: So many events a mail is filled with to see which values are often empty.
EVENTS = 50

TEMPLATE = "admin/mails/advice_list.html"


@dataclass(frozen=True)
class Told:
    """An advice for a page: ``field`` is the name of the form's field that it is about."""

    level: Level
    field: str
    label: str
    message: str
    line: int = 0


def page(model_admin: admin.ModelAdmin, request: HttpRequest) -> HttpResponse:
    """A piece of a mail's page: what there is to say about the form that was sent. Nothing is
    saved here."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    mail = _permitted(model_admin, request)
    may_write = model_admin.has_change_permission(request, mail if mail.pk else None)
    if may_write or not mail.pk:
        form, variants = _sent(model_admin, request, mail)
        shown = context(of_forms(form, variants), still_missing(form))
    else:
        shown = context(of_saved(mail))
    return TemplateResponse(request, TEMPLATE, shown)


def of_page(page_context: dict[str, Any], *, may_write: bool) -> dict[str, Any]:
    """The advice on a mail's page when it is opened, or shown again with its errors. Who may
    only look has no form there: it is of what is saved."""
    if not may_write:
        return context(of_saved(page_context["original"]))
    form = page_context["adminform"].form
    variants: Any = next(
        (
            inline.formset
            for inline in page_context["inline_admin_formsets"]
            if inline.formset.model is Variant
        ),
        (),
    )
    return context(of_forms(form, variants), still_missing(form))


def tell(request: HttpRequest, mail: Mail) -> None:
    """After it was saved: how much there is to look at."""
    count = sum(each.level == Level.WARNING for each in of_saved(mail))
    if count:
        said = ngettext(
            "There is %(count)d thing to look at before it goes out: see below its text.",
            "There are %(count)d things to look at before it goes out: see below its text.",
            count,
        )
        messages.warning(request, said % {"count": count})


def context(told: Iterable[Told], missing: str = "") -> dict[str, Any]:
    by_level: dict[Level, list[Told]] = {level: [] for level in Level}
    for each in told:
        by_level[each.level].append(each)
    return {
        "advice_errors": by_level[Level.ERROR],
        "advice_warnings": by_level[Level.WARNING],
        "advice_hints": by_level[Level.HINT],
        "advice_missing": missing,
    }


def still_missing(form: Any) -> str:
    """What somebody who writes a mail has not come to yet; empty if all is there."""
    empty = [
        label
        for name, label in (("subject", _("subject")), ("body", _("text")))
        if not str(form[name].value() or "").strip()
    ]
    return _("Still to be written: %s.") % ", ".join(empty) if empty else ""


# Of what ------------------------------------------------------------------------------------


def of_saved(mail: Mail) -> list[Told]:
    content = mail.content()
    variants = {
        wording.language: f"variants-{number}-"
        for number, wording in enumerate(content.wordings[1:])
    }
    return _told(mail, content, variants)


def of_forms(form: Any, variants: Any) -> list[Told]:
    """Of what stands in the form and in those of further languages: what cannot be saved, and,
    for what can, how it could be better."""
    mail: Mail = form.instance
    wordings = [mail.wording(mail.main_language)]
    prefixes: dict[str, str] = {}
    errors = list(_errors(form, "", ""))
    for each in variants:
        variant: Variant = each.instance
        if (each.is_bound and not each.has_changed() and not variant.pk) or _is_removed(each):
            continue
        if variant.subject or variant.body:
            wordings.append(variant.wording(variant.language))
            if variant.language != mail.main_language:
                prefixes.setdefault(variant.language, f"{each.prefix}-")
        errors += _errors(each, f"{each.prefix}-", variant.language)
    content = replace(mail.content(), wordings=tuple(wordings))
    content = replace(content, snippets=used_snippets(templates_of(wordings, content.design)))
    wrong = {each.field for each in errors}
    if any(field.rpartition("-")[2] in (*WORDED, "layout") for field in wrong):
        wrong.add("")  # that the mail cannot be made follows from that
    return errors + [each for each in _told(mail, content, prefixes) if each.field not in wrong]


def _is_removed(form: Any) -> bool:
    return form.is_bound and bool(form.data.get(form.add_prefix("DELETE")))


def _told(mail: Mail, content: Content, prefixes: dict[str, str]) -> list[Told]:
    events = samples.newest(mail, timezone.now(), EVENTS) if mail.group else []
    several = len(content.wordings) > 1
    return [
        Told(
            each.level,
            f"{prefixes.get(each.language, '')}{each.field}" if each.field else "",
            _label(Mail, each.field, each.language if several else ""),
            str(each.message),
            each.line,
        )
        for each in advice(mail, content, events)
    ]


def _errors(form: Any, prefix: str, language: str) -> Iterator[Told]:
    """What a form was refused for. That something is not filled in yet is no error while
    somebody is at it."""
    for name, found in form.errors.as_data().items():
        if name in form.fields and not str(form[name].value() or "").strip():
            continue
        label = _label(form._meta.model, name, language)
        for error in found:
            for message in ValidationError([error]).messages:
                yield Told(Level.ERROR, f"{prefix}{name}", label, message)


def _label(model: Any, name: str, language: str = "") -> str:
    try:
        label: str | Promise = model._meta.get_field(name).verbose_name
    except FieldDoesNotExist:  # of the form as a whole
        label = ""
    label = capfirst(str(label))
    return f"{label} ({language_name(language)})" if language and label else str(label)


# What was sent ------------------------------------------------------------------------------


def _permitted(model_admin: admin.ModelAdmin, request: HttpRequest) -> Mail:
    """The mail that the page is of, or a new one."""
    if not (pk := request.GET.get("mail", "")):
        if not model_admin.has_add_permission(request):
            raise PermissionDenied
        return Mail()
    mail: Mail | None = None
    if pk.isdecimal() and len(pk) < 19:
        mail = model_admin.get_object(request, pk)
    if mail is None:
        raise Http404
    if not model_admin.has_view_permission(request, mail):
        raise PermissionDenied
    return mail


def _sent(model_admin: admin.ModelAdmin, request: HttpRequest, mail: Mail) -> tuple[Any, Any]:
    saved = mail if mail.pk else None
    form = model_admin.get_form(request, saved, change=saved is not None)(
        request.POST, instance=mail
    )
    form.is_valid()  # which puts on ``mail`` what can be put there
    for formset_class, inline in model_admin.get_formsets_with_inlines(request, saved):
        if inline.model is Variant:
            variants = formset_class(
                request.POST,
                instance=mail,
                prefix=formset_class.get_default_prefix(),
                queryset=inline.get_queryset(request),
            )
            variants.is_valid()
            return form, variants
    return form, ()
