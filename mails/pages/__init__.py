"""The pages of a mail besides its form: where they are, and what shows them."""

from functools import partial, update_wrapper
from typing import Any

from django.contrib import admin
from django.urls import URLPattern, path

from mails.pages import advice, attachments, preview, proof, variables, versions

#: By their names, which are the ends of ``admin:mails_mail_…``.
PAGES: dict[str, tuple[str, Any]] = {
    "variables": ("variables/", variables.page),
    "advice": ("advice/", advice.page),
    "preview": ("<int:pk>/preview/", preview.page),
    "frame": ("<int:pk>/preview/frame/", preview.frame),
    "send_test": ("<int:pk>/send-test/", preview.send_test),
    "proof": ("<int:pk>/proof/", proof.page),
    "proof_progress": ("<int:pk>/proof/progress/", proof.progress),
    "proof_start": ("<int:pk>/proof/start/", proof.start),
    "proof_stop": ("<int:pk>/proof/stop/", proof.stop),
    "attachment": ("<int:pk>/attachments/<str:digest>/", attachments.page),
    "versions": ("<int:pk>/versions/", versions.versions),
    "version": ("<int:pk>/versions/<int:number>/", versions.version),
}


def pages(model_admin: admin.ModelAdmin) -> list[URLPattern]:
    """Each asks for permission itself; nobody who is not staff gets that far."""
    wrap = model_admin.admin_site.admin_view
    return [
        path(
            where,
            wrap(update_wrapper(partial(view, model_admin), view)),
            name=f"mails_mail_{name}",
        )
        for name, (where, view) in PAGES.items()
    ]
