"""The documents as code: their blocks, and a process in which they run."""
