"""Padding that hides lengths: Padme, at most 12 % more and few distinct sizes.

Source: Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with
PURBs", section 4; spec/identity.md#padding.
"""


def padme(length: int) -> int:
    """Return the smallest allowed length that is not below `length`, in bytes.

    The allowed lengths are those whose binary form has no more significant bits than the
    number of bits of its exponent.
    """
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    free_bits = exponent - exponent.bit_length()
    mask = (1 << free_bits) - 1
    return (length + mask) & ~mask


def padded_length(length: int, minimum: int) -> int:
    """Return the length after padding: Padme, but never below `minimum` bytes."""
    return max(minimum, padme(length))


def pad(data: bytes, minimum: int) -> bytes:
    """Append zeros up to `padded_length`. The data must tell where it ends."""
    return data.ljust(padded_length(len(data), minimum), b"\0")
