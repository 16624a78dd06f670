"""Lengths of windows, in bars."""


def checked(length: int, least: int = 1) -> int:
    """The length itself.

    Raises:
        ValueError: it is shorter than `least`.
    """
    if length < least:
        raise ValueError(f"expected a length of at least {least}, got {length}")
    return length
