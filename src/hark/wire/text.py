"""How long a text may be. Apart from the messages that carry it: faces need no more than this.

Source: spec/messaging.md#bodies.
"""

MAX_TEXT_CHARS = 16_384
"""Longest text: 64 KiB as UTF-8 at most, so that it fits half an envelope."""
