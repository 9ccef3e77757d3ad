# Every target sets up what it needs: a virtual environment in .venv with the pinned
# requirements, refreshed when those change. Only Python 3.11+, git and make must be there
# (gettext too for `make messages`).

PYTHON ?= python3
VENV := .venv
MANAGE := $(VENV)/bin/python manage.py
SITE := $(VENV)/.site-requirements
DEVELOPMENT := $(VENV)/.development-requirements
PIP := $(VENV)/bin/python -m pip install --quiet --no-input --disable-pip-version-check

.PHONY: help demo test faults lint docs messages wheel clean

help:
	@echo "make demo      start a shop with everything running on 127.0.0.1:8000 (PORT=9000 make demo)"
	@echo "make test      run the tests; make test ARGS='-k recording' passes arguments to pytest"
	@echo "make faults    break things for an hour while mails go out, and count (docs/reliability.md)"
	@echo "make lint      ruff, mypy, and whether a migration is missing"
	@echo "make docs      make a site of the documentation, in var/docs"
	@echo "make messages  collect and compile the translations"
	@echo "make wheel     build what other projects install, into dist (docs/tutorial.md)"
	@echo "make clean     remove .venv, var and every cache"

# exec: what make starts is Python itself, so that Ctrl-C and SIGTERM reach it.
demo: export DEBUG = 1
demo: $(SITE)
	@exec $(MANAGE) demo

test: $(DEVELOPMENT)
	@exec $(VENV)/bin/python -m tests.run $(ARGS)

# Every database with every broker, then each single fault. Goes on after one that failed.
faults: $(DEVELOPMENT)
	@code=0; for database in sqlite postgres; do for broker in orm redis; do \
		$(VENV)/bin/python -m tests.faults --database $$database --broker $$broker --markdown $(ARGS) \
		|| code=1; done; done; \
	$(VENV)/bin/python -m tests.faults.single all || code=1; exit $$code

lint: export DEBUG = 1
lint: export DATABASE_URL = sqlite://:memory:
lint: $(DEVELOPMENT)
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(MANAGE) makemigrations --check --dry-run --skip-checks

# Its source directory is the repository, so that links lead from README.md to docs/ and back
# there as they do on a code host. A warning, such as of a link to nowhere, is an error.
docs: $(DEVELOPMENT)
	@$(VENV)/bin/python -m sphinx -b html -q -W --keep-going -c docs -d var/doctrees . var/docs
	@echo "The documentation is in var/docs/index.html"

# Each app has its own catalogue and takes it along into other projects; automation/locale
# has the rest. The date of collecting is left out: it would change without any text changing.
messages: export DEBUG = 1
messages: $(DEVELOPMENT)
	@for package in automation automation/rules automation/events automation/chains automation/demo generators mails; do \
		mkdir -p $$package/locale; done
	@$(MANAGE) makemessages --locale de --no-obsolete --no-wrap --add-location file \
		--ignore tests --ignore var --ignore build
	@find automation generators mails -name django.po -exec sed -i.before -e '/^"POT-Creation-Date/d' {} +
	@find automation generators mails -name django.po.before -delete
	@find automation generators mails -name locale -type d -empty -delete
	@$(MANAGE) compilemessages --ignore .venv --ignore var

# pip builds it apart from .venv, with what [build-system] in pyproject.toml asks for.
wheel: $(SITE)
	@$(VENV)/bin/python -m pip wheel --quiet --no-input --disable-pip-version-check --no-deps \
		--wheel-dir dist .
	@ls dist/*.whl

clean:
	@rm -rf $(VENV) var build dist .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(SITE): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or later is needed, and $(PYTHON) is: $$($(PYTHON) --version 2>&1)."; \
		echo "Name another one: make $(MAKECMDGOALS) PYTHON=/path/to/python3"; exit 1; } >&2
	@echo "Setting up $(VENV) for the site ..."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(PIP) --requirement requirements.txt
	@touch $@

$(DEVELOPMENT): requirements-dev.txt $(SITE)
	@echo "Setting up $(VENV) for tests and checks ..."
	@$(PIP) --requirement requirements-dev.txt
	@touch $@
