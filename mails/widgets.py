"""The rich editor for mail bodies, in one place: replacing it means replacing this class.

django-ckeditor bundles CKEditor 4, which is no longer supported. So it gets no uploader, no
dialogs that mail has no use for, no connection to its maker's site; and what it produces is
never trusted: the rendered HTML is cleaned on the server (``mails/html.py``).
"""

from typing import Any

from ckeditor.widgets import CKEditorWidget
from django import forms
from django.templatetags.static import static

CONFIG: dict[str, Any] = {
    "toolbar": [
        ["Format"],
        ["Bold", "Italic", "Underline", "RemoveFormat"],
        ["NumberedList", "BulletedList", "Blockquote"],
        ["JustifyLeft", "JustifyCenter", "JustifyRight"],
        ["Link", "Unlink", "Image", "Table", "HorizontalRule"],
        ["Undo", "Redo"],
        ["Source"],
    ],
    "format_tags": "p;h1;h2;h3",
    "width": "100%",
    "height": 420,
    "entities": False,
    "versionCheck": False,
    "disableNativeSpellChecker": False,
    # What mail may have, and what its cleaning lets through (``mails/html.py``); nothing that
    # runs, wherever it was pasted from.
    "allowedContent": (
        "a abbr b big blockquote br caption center code col colgroup dd del div dl dt em font "
        "h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q s small span strike strong sub "
        "sup table tbody td tfoot th thead tr tt u ul[*]{*}(*)"
    ),
    "disallowedContent": "*[on*]",
    "title": False,
    "removePlugins": (
        "a11yhelp,about,exportpdf,flash,forms,iframe,language,magicline,newpage,pagebreak,preview,"
        "print,save,scayt,smiley,specialchar,templates,wsc,uploadimage,uploadfile,filebrowser"
    ),
}


class MailEditor(CKEditorWidget):
    """CKEditor set up for mail: Liquid tags pass through it as they were typed."""

    config: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.config = {**self.config, **CONFIG}

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        # Only now: the names of static files are not known yet when forms are declared.
        self.config["contentsCss"] = static("mails/editor-content.css")
        context: dict[str, Any] = super().get_context(name, value, attrs)
        return context

    @property
    def media(self) -> forms.Media:
        # Named again, so that whatever else is on the page, ours comes after the editor.
        return super().media + forms.Media(js=["ckeditor/ckeditor/ckeditor.js", "mails/editor.js"])
