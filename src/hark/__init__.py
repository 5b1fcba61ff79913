"""hark: calls and messages that only the people in them can hear."""
