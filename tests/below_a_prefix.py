"""The addresses of a project that has ``automation.endpoints`` below a prefix."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("flint/", include("automation.endpoints")),
]
