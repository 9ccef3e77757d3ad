"""The ancestors, measured on the same rows: ``python -m ancestors CONTENDER`` in a virtual
environment of their own, with this directory's parent on the path.

They are older than Django 5.2; the two names that they miss in it are given to them here.
They write less than the product: django-spark its events with the ``repr`` of a context,
django-drip-campaigns a row for each mail, which here goes to a backend that drops it.
"""
