from typing import Any

from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView


class Icon(RedirectView):
    """Browsers ask for it by this name. Not in a template of the admin: those go into other
    projects, which have icons of their own."""

    def get_redirect_url(self, *args: Any, **kwargs: Any) -> str:
        return static("automation/flint.svg")


urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("automation.endpoints")),
    path("favicon.ico", Icon.as_view()),
    path("", RedirectView.as_view(pattern_name="admin:index")),
]
