"""The cluster: that it runs, and that somebody sees when it does not."""
