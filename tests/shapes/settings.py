"""The settings of a project unlike ours; nothing of ``automation.settings``."""

import os
from pathlib import Path

import environ

ROOT = Path(__file__).resolve().parent.parent.parent
DIRECTORY = Path(os.environ["SHAPES_DIRECTORY"])

SECRET_KEY = "only for tests"
ALLOWED_HOSTS = ["testserver"]
ROOT_URLCONF = "tests.shapes.urls"

INSTALLED_APPS = [
    "tests.shapes.people",
    "tests.shapes.library",
    "tests.shapes.visits",
    "automation",
    "automation.rules",
    "automation.events",
    "automation.chains",
    "generators",
    "mails",
    "django_q",
    "ckeditor",
    "import_export",
    "polymorphic",
    "tests.shapes.office.OfficeConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    [
                        "django.template.loaders.filesystem.Loader",
                        "django.template.loaders.app_directories.Loader",
                    ],
                )
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]


def _database(name: str) -> dict[str, object]:
    """A file, or what the environment names."""
    url = os.environ.get(f"SHAPES_{name.upper()}", f"sqlite:///{DIRECTORY / name}.sqlite3")
    settings = dict(environ.Env.db_url_config(url))
    if settings["ENGINE"].endswith("sqlite3"):
        settings["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 20}
    return {**settings, "ATOMIC_REQUESTS": True, "CONN_MAX_AGE": None}


DATABASES = {"default": _database("default"), "business": _database("business")}
DATABASE_ROUTERS = ["tests.shapes.routers.Business"]
DEFAULT_AUTO_FIELD = "django.db.models.SmallAutoField"
AUTH_USER_MODEL = "people.Member"

Q_CLUSTER = {
    "name": "shapes",
    "orm": "business",
    "workers": 1,
    "queue_limit": 1,
    "timeout": 600,
    "retry": 3600,
    "max_attempts": 1,
    "ack_failures": True,
    "save_limit": -1,
    "catch_up": False,
}
EMAIL_TIMEOUT = 30
DEFAULT_FROM_EMAIL = "library@example.com"

LANGUAGE_CODE = "fr-ch"
USE_I18N = False
TIME_ZONE = "Asia/Kathmandu"

STATIC_URL = "https://static.example.com/library/"
STATICFILES_DIRS = [ROOT / "static"]
MEDIA_ROOT = DIRECTORY / "media"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SILENCED_SYSTEM_CHECKS = ["ckeditor.W001"]
