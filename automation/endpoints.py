"""What others ask this site for without an account: ``path("", include("automation.endpoints"))``.

Load balancers and monitoring ask for ``healthz`` and ``metrics``, recipients of mails for
pictures. It may stand below a prefix.
"""

from django.apps import apps
from django.urls import include, path

urlpatterns = [path("", include("automation.events.urls"))]
if apps.is_installed("mails"):
    urlpatterns.append(path("mails/", include("mails.urls")))
