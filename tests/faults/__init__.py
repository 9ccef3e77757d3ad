"""Does delivery hold its promise when things break? See docs/reliability.md.

``python -m tests.faults`` breaks many things at random while mails go out, and counts;
``python -m tests.faults.single`` breaks one thing and holds it against what should come of it.
"""
