"""Links as QR codes that a telephone can read off a terminal."""

import io

import segno


def draw(link: str) -> str:
    """Return a QR code of `link`, two modules to a character, for a terminal of 80 columns."""
    drawing = io.StringIO()
    # The lowest error correction keeps it small; a screen has no scratches.
    segno.make(link, error="l", micro=False).terminal(drawing, border=2, compact=True)
    return drawing.getvalue()
