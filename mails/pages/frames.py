"""A mail's HTML as a page of its own, for a sandboxed frame: shown, and nothing else."""

from django.http import HttpResponse

from mails.pictures import shown_pictures

# Mail is shown, and nothing else: no script, no form, no request but for its images.
FRAME_POLICY = (
    "default-src 'none'; img-src data: https: http:; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'; sandbox"
)


def framed(html: str, *, dark: bool = False) -> HttpResponse:
    """The page that a frame shows."""
    response = HttpResponse(shown_pictures(in_scheme(html, dark)))
    response["Content-Security-Policy"] = FRAME_POLICY
    response["X-Frame-Options"] = "SAMEORIGIN"
    response["Referrer-Policy"] = "no-referrer"
    return response


def in_scheme(html: str, dark: bool) -> str:
    """The mail as it is shown where people have chosen dark colours, or have not: a frame
    cannot choose for itself."""
    scheme = "dark" if dark else "light"
    return html.replace("(prefers-color-scheme: dark)", "all" if dark else "not all").replace(
        'content="light dark"', f'content="{scheme}"'
    )
