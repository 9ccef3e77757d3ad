"""Benchmarks: the product beside the fastest that the same database can do.

Every figure is measured in a scratch database of its own, each contender in a process of
its own, and is a ratio to a limit that was measured in the same run: seconds say little on
a machine that others use too.
"""
