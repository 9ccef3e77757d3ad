"""The rich editor for mail bodies, in one place: replacing it means replacing this class.

django-ckeditor bundles CKEditor 4, which is no longer supported. So it gets no uploader of its
own, no dialogs that mail has no use for, no connection to its maker's site; and what it
produces is never trusted: the rendered HTML is cleaned on the server (``mails/html.py``).
What it does with Liquid is in ``static/mails/editor/``.
"""

import json
from typing import Any

from ckeditor.widgets import CKEditorWidget
from django import forms
from django.forms.widgets import Script
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

#: What can be chosen under "Styles"; ``mails/layout.py`` says how each looks.
STYLES: list[dict[str, Any]] = [
    {"name": gettext_lazy("Button"), "element": "a", "attributes": {"class": "button"}},
    {"name": gettext_lazy("Introduction"), "element": "p", "attributes": {"class": "lead"}},
    {"name": gettext_lazy("Quiet"), "element": "p", "attributes": {"class": "muted"}},
    {"name": gettext_lazy("Small print"), "element": "p", "attributes": {"class": "small"}},
    {"name": gettext_lazy("Box"), "element": "div", "attributes": {"class": "box"}},
    {
        "name": gettext_lazy("Table with lines"),
        "element": "table",
        "attributes": {"class": "lines"},
    },
    {"name": gettext_lazy("Number"), "element": "td", "attributes": {"class": "number"}},
]

CONFIG: dict[str, Any] = {
    "toolbar": [
        ["Format", "Styles"],
        ["Bold", "Italic", "Underline", "TextColor", "RemoveFormat"],
        ["NumberedList", "BulletedList", "Blockquote"],
        ["JustifyLeft", "JustifyCenter", "JustifyRight"],
        ["Link", "Unlink", "Image", "Table", "HorizontalRule"],
        ["Undo", "Redo"],
        ["Source"],
    ],
    "format_tags": "p;h1;h2;h3",
    "stylesSet": STYLES,
    "colorButton_colors": "1f2328,5f6b7a,1a5fb4,0b5c27,b35900,ba2121,7b2d8e,ffffff",
    "colorButton_enableMore": False,
    "width": "100%",
    "height": 420,
    "entities": False,
    "versionCheck": False,
    "disableNativeSpellChecker": False,
    # Pictures are uploaded, never written into the text.
    "clipboard_handleImages": False,
    # What mail may have, and what its cleaning lets through (``mails/html.py``); nothing that
    # runs, wherever it was pasted from.
    "allowedContent": (
        "a abbr b big blockquote br caption center code col colgroup dd del div dl dt em font "
        "h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q s small span strike strong sub "
        "sup table tbody td tfoot th thead tr tt u ul[*]{*}(*)"
    ),
    "disallowedContent": "*[on*]",
    "title": False,
    "extraPlugins": "widget",
    "removePlugins": (
        "a11yhelp,about,elementspath,exportpdf,flash,forms,iframe,image,language,newpage,"
        "pagebreak,preview,print,save,scayt,smiley,specialchar,templates,wsc,uploadimage,"
        "uploadfile,filebrowser"
    ),
    "removeDialogTabs": "table:advanced",
}

#: Where the editor's scripts find the pages that list and take pictures, if there are any.
IMAGE_PAGES = {"data-images-url": "mails_image_choose", "data-upload-url": "mails_image_upload"}


class MailEditor(CKEditorWidget):
    """CKEditor set up for mail: Liquid tags pass through it as they were typed."""

    config: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, template_name="mails/editor.html", **kwargs)
        self.config = {**self.config, **CONFIG}

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        # Only now: the names of static files are not known yet when forms are declared.
        self.config["contentsCss"] = static("mails/editor/content.css")
        context: dict[str, Any] = super().get_context(name, value, attrs)
        context["widget"]["attrs"] |= {"data-liquid-field": "", **_image_pages()}
        context["widget"]["texts"] = json.dumps(_texts())
        return context

    @property
    def media(self) -> forms.Media:
        # Named again, so that whatever else is on the page, ours comes after the editor.
        scripts: list[Any] = [
            "ckeditor/ckeditor/ckeditor.js",
            Script("mails/editor/main.js", type="module"),
        ]
        return super().media + forms.Media(css={"all": ["mails/editor/editor.css"]}, js=scripts)


def _image_pages() -> dict[str, str]:
    found = {}
    for attribute, page in IMAGE_PAGES.items():
        try:
            found[attribute] = reverse(f"admin:{page}")
        except NoReverseMatch:
            continue
    return found


def _texts() -> dict[str, str]:
    """What the scripts say; ``%s`` is filled there."""
    return {
        "variable": _("Value: %s"),
        "logic": _("Logic: %s"),
        "notATag": _("Write one tag: {{ … }} for a value, or {% … %} for a condition or a loop."),
        "image": _("Picture"),
        "noAddress": _(
            "Write where the link leads: https://…, a mail address, or a value from the list."
        ),
        "noImage": _("Choose a picture first."),
        "noAlt": _("Say what the picture shows, or tick that it is only decoration."),
        "noWidth": _("The width is a number of pixels, for example 300."),
        "noList": _("The uploaded pictures could not be listed. Try it again."),
        "noUpload": _("Pictures cannot be uploaded here. Use the address of a picture instead."),
        "uploading": _("“%s” is being uploaded …"),
        "notUploaded": _("“%s” could not be uploaded. Try it again."),
        "describe": _("Double-click the picture to say what it shows."),
    }
