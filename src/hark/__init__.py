"""hark: calls and messages that only the people in them can hear."""

__version__ = "0.1.0"
"""Version of the program; the same as in `pyproject.toml` (a test compares them)."""
