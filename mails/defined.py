"""Mails, layouts and snippets as definitions: data that travels between sites, by short name.
Files (pictures, attachments) stay where they are."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from automation.rules.definitions import DefinedKind, Part, plain_value, register
from mails.models import DEFINED_FIELDS, Layout, Mail, Snippet, Variant
from mails.proofreading import mails_with, users_of_snippet

_VARIANT_FIELDS = ("language", "subject", "preheader", "body", "text")


def register_kinds() -> None:
    """In the order in which they need each other."""
    register(
        DefinedKind(
            "snippets",
            Snippet,
            ("slug", "name", "body"),
            name_each_other=True,
            affected=_active(lambda snippet: users_of_snippet(snippet.slug)),
            loaded=_keep_versions(lambda snippet: users_of_snippet(snippet.slug)),
        )
    )
    register(
        DefinedKind(
            "layouts",
            Layout,
            ("slug", "name", "is_default", "header", "footer", "styles"),
            affected=_active(mails_with),
            loaded=_keep_versions(mails_with),
        )
    )
    register(
        DefinedKind(
            "mails",
            Mail,
            DEFINED_FIELDS,
            Mail.deactivate,
            parts=(
                Part("layout", _dump_layout, _load_layout, after=False, missing=""),
                Part("variants", _dump_variants, _load_variants),
            ),
            loaded=_keep_versions(lambda mail: [mail]),
        )
    )


def _active(find: Callable[[Any], list[Mail]]) -> Callable[[Any], list[Mail]]:
    """Those of the mails that go out now."""
    return lambda thing: [mail for mail in find(thing) if mail.is_active]


def _keep_versions(find: Callable[[Any], list[Mail]]) -> Callable[[Any, Any], None]:
    """What the mails say from now on is a version of whoever imported it."""

    def keep(thing: Any, author: Any) -> None:
        for mail in find(thing):
            mail.keep_version(author)

    return keep


def _dump_layout(mail: Mail) -> str:
    return mail.layout.slug if mail.layout else ""


def _load_layout(mail: Mail, slug: Any) -> None:
    if not isinstance(slug, str):
        raise ValidationError({"layout": _("This must be %(kind)s.") % {"kind": _("a text")}})
    mail.layout = Layout.objects.filter(slug=slug).first() if slug else None
    if slug and mail.layout is None:
        raise ValidationError({"layout": _("There is no layout “%s”.") % slug})


def _dump_variants(mail: Mail) -> list[dict[str, Any]]:
    return [
        {name: getattr(variant, name) for name in _VARIANT_FIELDS}
        for variant in mail.variants.all()
    ]


def _load_variants(mail: Mail, entries: Any) -> None:
    if not isinstance(entries, list | tuple) or not all(isinstance(e, dict) for e in entries):
        raise ValidationError({"variants": _("variants must be a list of objects.")})
    mail.variants.all().delete()
    for position, entry in enumerate(entries):
        variant = Variant(mail=mail)
        try:
            if unknown := set(entry) - set(_VARIANT_FIELDS):
                raise ValidationError(
                    _("Unknown: %(names)s. Known are: %(known)s.")
                    % {"names": ", ".join(sorted(unknown)), "known": ", ".join(_VARIANT_FIELDS)}
                )
            for name, value in entry.items():
                setattr(variant, name, plain_value(variant, name, value))
            variant.full_clean()
        except ValidationError as error:
            raise ValidationError({f"variants[{position}]": error.messages}) from error
        variant.save()
