"""Text of other people on its way to a terminal: data, never orders.

A terminal obeys escape sequences, and bidirectional controls make text read as what it is not.
Everything that a peer could have written passes `escape` before it is printed. JSON output
needs none of this: it is written in ASCII.
"""

import unicodedata

_JOINERS = "\u200c\u200d"
"""Zero-width (non-)joiners: emoji and several scripts are wrong without them."""
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that can steer a terminal, hide, or mean nothing."""


def escape(text: str) -> str:
    """Return `text` in one line, with what could steer a terminal made visible: `<U+001B>`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(char) for char in text)


def escape_lines(text: str, indent: str) -> str:
    """Return `text` with its line breaks kept and each further line indented.

    The indent keeps a message from looking like a line of somebody else's.
    """
    return f"\n{indent}".join(escape(line) for line in text.split("\n"))


def _visible(char: str) -> str:
    if char in _JOINERS or unicodedata.category(char) not in _UNSAFE:
        return char
    return f"<U+{ord(char):04X}>"
