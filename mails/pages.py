"""The pages of a mail besides its form: where they are, and what shows them."""

from functools import partial, update_wrapper
from typing import Any

from django.contrib import admin
from django.urls import URLPattern, path

from mails import preview_views, proof_views

#: By their names, which are the ends of ``admin:mails_mail_…``.
PAGES: dict[str, tuple[str, Any]] = {
    "preview": ("preview/", preview_views.page),
    "frame": ("preview/frame/", preview_views.frame),
    "send_test": ("send-test/", preview_views.send_test),
    "proof": ("proof/", proof_views.page),
    "proof_progress": ("proof/progress/", proof_views.progress),
    "proof_start": ("proof/start/", proof_views.start),
    "proof_stop": ("proof/stop/", proof_views.stop),
}


def pages(model_admin: admin.ModelAdmin) -> list[URLPattern]:
    """Each asks for permission itself; nobody who is not staff gets that far."""
    wrap = model_admin.admin_site.admin_view
    return [
        path(
            f"<int:pk>/{where}",
            wrap(update_wrapper(partial(view, model_admin), view)),
            name=f"mails_mail_{name}",
        )
        for name, (where, view) in PAGES.items()
    ]
