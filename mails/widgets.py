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
    "extraAllowedContent": (
        "a[*](*){*}; table[*](*){*}; thead; tbody; tfoot; tr[*](*){*}; td[*](*){*}; th[*](*){*}; "
        "img[*](*){*}; p(*){*}; div(*){*}; span(*){*}; h1(*){*}; h2(*){*}; h3(*){*}"
    ),
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

    @property
    def media(self) -> forms.Media:
        return super().media + forms.Media(js=[static("mails/editor.js")])
