"""Bytes as text that survives being read aloud and typed: bech32m.

A checksum of six characters finds every change of up to three characters in a text of at most
1,023 (the limit of 90 characters, which the original sets so that four are found, is not kept:
an invitation is longer). Mixed case is refused; upper case is allowed, for QR codes.
Source: BIP-350; spec/identity.md#text-forms.
"""

from hark.errors import MalformedError

CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
CHECKSUM_CHARACTERS = 6
MAX_CHARACTERS = 1023
"""Length of the underlying BCH code: beyond it, errors of two characters could pass."""

_BECH32M = 0x2BC830A3
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_VALUES = {character: value for value, character in enumerate(CHARSET)}


def encode(prefix: str, data: bytes) -> str:
    """Return `data` as `<prefix>1<characters><checksum>`, in lower case.

    Args:
        prefix: lower-case ASCII letters, which say what the text is.
        data: the bytes; the result has 8 characters per 5 bytes.
    """
    values = _regroup(data)
    checksum = _polymod([*_expand(prefix), *values, *([0] * CHECKSUM_CHARACTERS)]) ^ _BECH32M
    values += [(checksum >> (5 * i)) & 31 for i in reversed(range(CHECKSUM_CHARACTERS))]
    return f"{prefix}1{''.join(CHARSET[value] for value in values)}"


def decode(prefix: str, text: str) -> bytes:
    """Return the bytes that `encode` wrote, from lower or upper case.

    Raises:
        MalformedError: of another kind, mistyped, cut off, or in mixed case.
    """
    if len(text) > MAX_CHARACTERS or text not in (text.lower(), text.upper()):
        raise MalformedError("too long or in mixed case")
    start, body = f"{prefix}1", text.lower()
    if not text.isascii() or not body.startswith(start):
        raise MalformedError(f"does not begin with {start}")
    values = [_VALUES.get(character, -1) for character in body[len(start) :]]
    if len(values) < CHECKSUM_CHARACTERS or -1 in values:
        raise MalformedError("holds a character that cannot occur, or is cut off")
    if _polymod([*_expand(prefix), *values]) != _BECH32M:
        raise MalformedError("the checksum does not hold")
    return _ungroup(values[:-CHECKSUM_CHARACTERS])


def _polymod(values: list[int]) -> int:
    """Return the remainder that the BCH code takes of the values."""
    remainder = 1
    for value in values:
        top = remainder >> 25
        remainder = (remainder & 0x1FFFFFF) << 5 ^ value
        for bit, term in enumerate(_GENERATOR):
            if top >> bit & 1:
                remainder ^= term
    return remainder


def _expand(prefix: str) -> list[int]:
    """Return the prefix as the checksum covers it."""
    codes = [ord(character) for character in prefix]
    return [*(code >> 5 for code in codes), 0, *(code & 31 for code in codes)]


def _regroup(data: bytes) -> list[int]:
    """Split bytes into groups of five bits; the last is filled with zero bits."""
    fill = -len(data) * 8 % 5
    number = int.from_bytes(data, "big") << fill
    count = (len(data) * 8 + fill) // 5
    return [(number >> (5 * i)) & 31 for i in reversed(range(count))]


def _ungroup(values: list[int]) -> bytes:
    """Join groups of five bits; what is left over must be fewer than five zero bits."""
    fill = len(values) * 5 % 8
    number = 0
    for value in values:
        number = number << 5 | value
    if fill >= 5 or number & ((1 << fill) - 1):
        raise MalformedError("does not end at a byte")
    return (number >> fill).to_bytes(len(values) * 5 // 8, "big")
