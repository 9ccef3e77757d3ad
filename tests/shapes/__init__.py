"""A project unlike ours in everything that a project may choose, and Flint in it.

Its own user model, UUIDs and texts as primary keys, two databases, another admin site, another
language and time zone. ``tests/test_shapes.py`` runs it in processes of its own."""
