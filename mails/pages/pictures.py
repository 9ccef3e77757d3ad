"""Pictures uploaded and chosen in the editor, and served: to colleagues, and to recipients."""

from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from mails import pictures, storage
from mails.encoding import PictureError
from mails.files import Picture

#: So many pictures are shown at a time.
PER_PAGE = 24

# A picture's bytes never change: another picture has another name.
_FOR_EVER = "max-age=31536000, immutable"


def upload(model_admin: admin.ModelAdmin, request: HttpRequest) -> JsonResponse:
    """Keep the uploaded ``file``. Answers with what the editor needs, or with ``error`` in
    words for whoever uploaded it."""
    if request.method != "POST":
        return JsonResponse({"error": _("Pictures are uploaded by POST.")}, status=405)
    if not model_admin.has_add_permission(request):
        return _refused(_("You may not upload pictures."))
    uploaded = request.FILES.get("file")
    if uploaded is None:
        return JsonResponse({"error": _("Choose a picture first.")}, status=400)
    try:
        picture = pictures.keep(pictures.take_in(uploaded), uploaded.name or "", request.user)
    except PictureError as error:
        return JsonResponse({"error": str(error)}, status=400)
    return JsonResponse(_as_data(picture))


def choose(model_admin: admin.ModelAdmin, request: HttpRequest) -> JsonResponse:
    """The pictures there are, the newest first: those whose names have ``q`` in them, a page
    at a time."""
    if not model_admin.has_view_permission(request):
        return _refused(_("You may not look at the pictures."))
    # PostgreSQL searches for no NUL.
    search = request.GET.get("q", "").replace("\0", "").strip()
    found = Paginator(Picture.objects.filter(name__icontains=search), PER_PAGE)
    page = found.get_page(request.GET.get("page"))
    return JsonResponse(
        {
            "images": [_as_data(picture) for picture in page],
            "page": page.number,
            "pages": found.num_pages,
            "count": found.count,
        }
    )


def file(request: HttpRequest, file_name: str) -> HttpResponse:
    """A picture for colleagues, under the address that the editor writes."""
    return _served(file_name, f"private, {_FOR_EVER}")


@require_safe
def public(request: HttpRequest, file_name: str) -> HttpResponse:
    """A picture for recipients. Nobody guesses its name; it stands in mails only."""
    return _served(file_name, f"public, {_FOR_EVER}")


def address_of(picture: Picture) -> str:
    return reverse("admin:mails_image_file", args=[picture.file_name])


def _as_data(picture: Picture) -> dict[str, Any]:
    return {
        "url": address_of(picture),
        "name": picture.name,
        "width": picture.width,
        "height": picture.height,
    }


def _refused(reason: str) -> JsonResponse:
    return JsonResponse({"error": reason}, status=403)


def _served(file_name: str, caching: str) -> HttpResponse:
    try:
        data = storage.read(pictures.path_of(file_name))
    except storage.Gone as error:
        raise Http404(_("This picture is gone.")) from error
    except storage.Unreachable:
        return HttpResponse(status=503)
    content_type = pictures.CONTENT_TYPES[file_name.rpartition(".")[2]]
    response = HttpResponse(data, content_type=content_type)
    response["Cache-Control"] = caching
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
