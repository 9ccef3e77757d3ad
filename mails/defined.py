"""Mails, layouts and snippets as definitions: data that travels between sites, by short name.
Files (pictures, attachments) stay where they are."""

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from automation.rules.definitions import DefinedKind, Part, plain_value, register
from mails.models import DEFINED_FIELDS, Layout, Mail, Snippet, Variant

_VARIANT_FIELDS = ("language", "subject", "preheader", "body", "text")


def register_kinds() -> None:
    """In the order in which they need each other."""
    register(DefinedKind("snippets", Snippet, ("slug", "name", "body"), name_each_other=True))
    register(
        DefinedKind("layouts", Layout, ("slug", "name", "is_default", "header", "footer", "styles"))
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
        )
    )


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
    """The last part of a mail to be read, so what it is now is a version."""
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
    mail.keep_version()
