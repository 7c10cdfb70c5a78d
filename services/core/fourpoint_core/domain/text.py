"""What strings PostgreSQL can keep."""


def is_text(value: str) -> bool:
    """Whether a string is one that can be kept: no NUL, no half of a surrogate pair."""
    return "\0" not in value and (value.isascii() or not any("\ud800" <= c <= "\udfff" for c in value))
