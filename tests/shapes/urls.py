from django.contrib import admin
from django.urls import include, path

from tests.shapes.other_sites import SITES

urlpatterns = [
    *(path(f"{site.name}/", site.urls) for site in SITES),
    path("back/office/", admin.site.urls),
    path("flint/", include("automation.endpoints")),
]
