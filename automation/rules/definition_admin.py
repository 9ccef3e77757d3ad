"""Definitions in the admin: exported from a list, imported after a look at what would change."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth import get_permission_codename
from django.core.exceptions import FieldDoesNotExist, PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from automation.rules import definition_files, definitions
from automation.rules.definitions import Change, DefinitionError, Report
from automation.rules.sources import sources
from automation.rules.styled_admin import StyledAdmin


def export_response(chosen: QuerySet[Any]) -> HttpResponse:
    """The definitions of ``chosen`` as a file that can be imported elsewhere."""
    data = json.dumps(definitions.dump(chosen), indent=2, ensure_ascii=False)
    name = slugify(str(chosen.model._meta.verbose_name_plural))
    return HttpResponse(
        data,
        content_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}.json"'},
    )


class Importable(StyledAdmin):
    """An admin of things that can be imported: its list leads to the page that does it."""

    change_list_template = "admin/automation_rules/change_list.html"

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_import"
        return [
            path("import/", self.admin_site.admin_view(self.import_view), name=name),
            *super().get_urls(),
        ]

    def import_view(self, request: HttpRequest) -> HttpResponse:
        return import_definitions(self, request)


class FileForm(forms.Form):
    """A file of definitions; ``text`` carries what was read from the look to the import."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        required=False,
        help_text=gettext_lazy("As “Export” writes it: JSON, at most 5 MB."),
        widget=forms.ClearableFileInput({"accept": ".json,application/json"}),
    )
    text = forms.CharField(required=False, widget=forms.HiddenInput)
    report: Report | None = None

    def __init__(self, *args: Any, user: Any, apply: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.apply = apply

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        file = cleaned.get("file")
        content = file.read(definition_files.MAX_BYTES + 1) if file else b""
        content = content or cleaned.get("text", "").encode()
        if not content:
            self.add_error("file", _("Choose a file first."))
            return cleaned
        try:
            data = definition_files.read(content)
            refuse_without_permission(self.user, data)
            self.report = definitions.load(data, rehearse=not self.apply, author=self.user)
        except DefinitionError as error:
            self.add_error("file", [_("Nothing was imported."), *error.problems[:50]])
        else:
            cleaned["text"] = content.decode("utf-8-sig")
        return cleaned


def refuse_without_permission(user: Any, data: Any) -> None:
    """Raise ``DefinitionError`` unless ``user`` may add and change all that ``data`` has."""
    for model in definitions.models_in(data):
        opts = model._meta
        for action in ("add", "change"):
            if not user.has_perm(f"{opts.app_label}.{get_permission_codename(action, opts)}"):
                raise DefinitionError(
                    [_("You may not add and change %s.") % opts.verbose_name_plural]
                )


def import_definitions(model_admin: admin.ModelAdmin, request: HttpRequest) -> HttpResponse:
    """A file is read and rehearsed first; what would change is shown, and imported when that
    is confirmed. Everything arrives switched off."""
    if not model_admin.has_change_permission(request):
        raise PermissionDenied
    apply = "apply" in request.POST
    form = FileForm(request.POST or None, request.FILES or None, user=request.user, apply=apply)
    report = form.report if form.is_valid() else None
    if report is not None and apply:
        _log(request, report)
        said = ngettext("%(count)d was imported.", "%(count)d were imported.", len(report.changes))
        messages.success(request, said % {"count": len(report.changes)})
        messages.info(
            request, _("What was imported is switched off: look at it before you switch it on.")
        )
        opts = model_admin.opts
        return HttpResponseRedirect(reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist"))
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": _("Import"),
        "form": form,
        "text": form.cleaned_data.get("text", "") if report else "",
        "changes": [_shown(change) for change in report.changes] if report else None,
    }
    return TemplateResponse(request, "admin/automation_rules/import.html", context)


def _shown(change: Change) -> dict[str, Any]:
    before = change.before or {}
    opts = change.thing._meta
    return {
        "kind": opts.verbose_name,
        "name": str(change.thing),
        "is_new": change.before is None,
        "affected": ", ".join(map(str, change.affected)),
        "stops": change.stops,
        "fields": [
            (
                definitions.label_of(change, name) or _label(opts, name),
                *_compared(*_said(change, name, (before.get(name), change.after[name]))),
            )
            for name in change.fields
        ],
    }


def _label(opts: Any, name: str) -> str:
    try:
        field = opts.get_field(name)
    except FieldDoesNotExist:  # a part that is no field of the model
        return name
    return str(getattr(field, "verbose_name", "") or field.related_model._meta.verbose_name_plural)


def _said(change: Change, name: str, values: tuple[Any, Any]) -> tuple[str, str]:
    """What was there and what is in the file, for people."""
    words = change.words.get(name, ("", ""))
    if name == "source":
        labels = dict(sources.choices())
        values = (labels.get(values[0], values[0]), labels.get(values[1], values[1]))
    before, after = (said or _text(value) for said, value in zip(words, values, strict=True))
    return before, after


def _compared(before: str, after: str) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """The lines of both, each with whether the other one has it, too."""
    old, new = before.split("\n"), after.split("\n")
    return [(line, line in new) for line in old], [(line, line in old) for line in new]


def _text(value: Any) -> str:
    if value in (None, "", [], {}):
        return "–"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
    return text if len(text) <= 600 else f"{text[:600]}…"


def _log(request: HttpRequest, report: Report) -> None:
    for change in report.changes:
        flag = ADDITION if change.before is None else CHANGE
        LogEntry.objects.log_actions(
            request.user.pk or 0, [change.thing], flag, "imported", single_object=True
        )
