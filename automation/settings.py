"""The Flint site's settings. Everything that differs between machines comes
from the environment; README.md lists the variables."""

import os
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

env = environ.Env()

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="development-only" if DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY is not set. Set it in the environment to a long random value, "
        "or set DEBUG=1 on a machine that only you can reach."
    )
# Of keys that were replaced: whoever was erased is known by the key of that time.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost"] if DEBUG else [])
CSRF_TRUSTED_ORIGINS = [f"https://{host}" for host in ALLOWED_HOSTS if host != "*"]

INSTALLED_APPS = [
    "automation",
    "automation.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "polymorphic",
    "import_export",
    "ckeditor",
    "django_q",
    "automation.rules",
    "automation.events",
    "automation.chains",
    "generators",
    "mails",
    "automation.demo",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "automation.urls"
WSGI_APPLICATION = "automation.wsgi.application"
ASGI_APPLICATION = "automation.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# Database -----------------------------------------------------------------

DATABASES = {
    "default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'flint.sqlite3'}")
}
_database = DATABASES["default"]
if _database["ENGINE"] == "django.db.backends.sqlite3":
    Path(_database["NAME"]).parent.mkdir(parents=True, exist_ok=True)
    # Readers never wait for the writer, writers queue up instead of failing,
    # and a commit that returned survives a power cut.
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
else:
    _database["CONN_MAX_AGE"] = 60
    _database["CONN_HEALTH_CHECKS"] = True
    if _database["ENGINE"] == "django.db.backends.postgresql":
        # A database that does not answer must not hold up whoever asks whether it does.
        _database.setdefault("OPTIONS", {}).setdefault("connect_timeout", 10)
        # Compiling a rule's query takes longer than asking it. (PgBouncer must be told to
        # ignore this start-up parameter.)
        _database.setdefault("OPTIONS", {}).setdefault("options", "-c jit=off")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The product -------------------------------------------------------------

AUTOMATION: dict[str, object] = {
    "SITE_URL": env.str("SITE_URL", default=""),
    "METRICS_TOKEN": env.str("METRICS_TOKEN", default=""),
}

# The cluster --------------------------------------------------------------

# Tasks are bells: they carry no work that is not also a row in the database.
# So each is tried once, and what it left undone is found again by the tick.
_workers = env.int("CLUSTER_WORKERS", default=2)
_timeout = 300
Q_CLUSTER = {
    "name": "flint",
    "workers": _workers,
    "bulk": 1,
    "queue_limit": _workers,
    "timeout": _timeout,
    "retry": 4 * _timeout,
    "max_attempts": 1,
    "ack_failures": True,
    "save_limit": -1,
    "catch_up": False,
    "poll": 0.5,
    "label": _("Cluster"),
}
if REDIS_URL := env.str("REDIS_URL", default=""):
    Q_CLUSTER["redis"] = REDIS_URL
else:
    Q_CLUSTER["orm"] = "default"

# Mail ---------------------------------------------------------------------

_default_email = env.email_url(
    "EMAIL_URL", default="consolemail://" if DEBUG else "smtp://localhost:25"
)
vars().update(_default_email)
EMAIL_TIMEOUT = 30
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Flint <flint@localhost>")

# Further accounts: EMAIL_URL_NEWS is the account "news", and so on.
_EMAIL_OPTIONS = {
    "host": "EMAIL_HOST",
    "port": "EMAIL_PORT",
    "username": "EMAIL_HOST_USER",
    "password": "EMAIL_HOST_PASSWORD",
    "use_tls": "EMAIL_USE_TLS",
    "use_ssl": "EMAIL_USE_SSL",
}


def _mailer(url: dict[str, object]) -> dict[str, object]:
    """An account as ``MAILERS`` has it."""
    given = {option: url[key] for option, key in _EMAIL_OPTIONS.items() if url.get(key)}
    is_smtp = url["EMAIL_BACKEND"] == "django.core.mail.backends.smtp.EmailBackend"
    return {"BACKEND": url["EMAIL_BACKEND"], "OPTIONS": given if is_smtp else {}}


def _account(suffix: str = "") -> dict[str, object]:
    """What is ours of an account."""
    found = {
        "LABEL": env.str(f"EMAIL_LABEL{suffix}", default=""),
        "FROM": env.str(f"EMAIL_FROM{suffix}", default=""),
        "RATE": env.float(f"EMAIL_RATE{suffix}", default=None),
        "DOMAIN_RATE": env.float(f"EMAIL_DOMAIN_RATE{suffix}", default=None),
        "FALLBACK": env.str(f"EMAIL_FALLBACK{suffix}", default=""),
    }
    return {key: value for key, value in found.items() if value not in ("", None)}


_accounts = {
    name.removeprefix("EMAIL_URL_").lower(): name.removeprefix("EMAIL_URL")
    for name in sorted(os.environ)
    if name.startswith("EMAIL_URL_")
}
if _accounts:
    MAILERS = {
        "default": _mailer(_default_email),
        **{name: _mailer(env.email_url(f"EMAIL_URL{of}")) for name, of in _accounts.items()},
    }
AUTOMATION["ACCOUNTS"] = {
    name: account for name, of in {"default": "", **_accounts}.items() if (account := _account(of))
}

# People, languages, time --------------------------------------------------

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LANGUAGE_CODE = env.str("LANGUAGE_CODE", default="en")
LANGUAGES = [("en", _("English")), ("de", _("German"))]
LOCALE_PATHS = [BASE_DIR / "automation" / "locale"]
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_I18N = True
USE_TZ = True

# Static files -------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
MEDIA_ROOT = VAR_DIR / "media"

# Security -----------------------------------------------------------------

# A load balancer asks over HTTP, past the proxy.
SECURE_REDIRECT_EXEMPT = [r"^healthz(/cluster)?$"]
if not DEBUG:
    SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    # django-ckeditor warns on every start that CKEditor 4 is unsupported. It is
    # shown with DEBUG; docs/security.md says why it is used and what contains it.
    # In production nobody who reads the check can act on it.
    SILENCED_SYSTEM_CHECKS = ["ckeditor.W001"]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "automation": {"level": "INFO"},
        "generators": {"level": "INFO"},
        "mails": {"level": "INFO"},
        "django-q": {"level": "INFO"},
    },
}
