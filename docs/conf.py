"""How Sphinx makes a site of these pages: ``make docs``.

The pages are written for a code host, too: plain Markdown with relative links. So the source
directory is the repository itself (README.md is a page), and nothing is fetched, neither when
the site is built nor when it is read.
"""

import os
import re
import sys
from pathlib import Path
from typing import Any

from pygments.lexers.templates import HtmlDjangoLexer

ROOT = Path(__file__).resolve().parent.parent

# autodoc imports the modules, and models need a project around them.
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DEBUG", "1")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "automation.settings")

import django  # noqa: E402

django.setup()

project = "Flint"
author = "The authors of Flint"
extensions = ["myst_parser", "sphinx.ext.autodoc"]

root_doc = "docs/index"
include_patterns = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/*.md",
    "docs/reference/*.md",
]
exclude_patterns = [".*", "var", "build", "dist", "static", "templates", "tests", "node_modules"]

# GitHub's anchors, down to the fourth level.
myst_heading_anchors = 4
suppress_warnings = [
    "myst.header",  # a page may begin with what its title says
]

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
add_module_names = False
maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "Flint"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
html_theme_options = {"top_of_page_buttons": []}

START = '<!doctype html><meta charset="utf-8"><title>Flint</title>\n' + (
    '<meta http-equiv="refresh" content="0; url=docs/index.html">\n'
    '<p><a href="docs/index.html">Flint</a></p>\n'
)


def without_marks(app: Any, page: str, source: list[str]) -> None:
    """Takes out the comments: they are for the tests that run the examples."""
    source[0] = re.sub(r"^ *<!--.*?-->\n", "", source[0], flags=re.M | re.S)


def readable_defaults(
    app: Any, what: str, name: str, obj: Any, options: Any, arguments: str | None, returned: Any
) -> tuple[str | None, Any]:
    """Dataclasses show ``<factory>``, which is no Python, and nothing of the signature is read."""
    return (arguments.replace("<factory>", "...") if arguments else arguments), returned


def with_a_start(app: Any, error: Exception | None) -> None:
    """The first page lies beside the others in docs/; who opens the directory is led there."""
    if error is None and app.builder.format == "html":
        (Path(app.outdir) / "index.html").write_text(START)


def setup(app: Any) -> None:
    app.add_lexer("liquid", HtmlDjangoLexer)  # Pygments' own does not know every comparison
    app.connect("source-read", without_marks)
    app.connect("autodoc-process-signature", readable_defaults)
    app.connect("build-finished", with_a_start)
