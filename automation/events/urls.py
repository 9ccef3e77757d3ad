"""What load balancers and monitoring ask, as part of ``automation.endpoints``."""

from django.urls import path

from automation.events.health import views as health_views

app_name = "automation_events"

urlpatterns = [
    path("healthz", health_views.process, name="healthz"),
    path("healthz/cluster", health_views.cluster, name="healthz_cluster"),
    path("metrics", health_views.metrics, name="metrics"),
]
