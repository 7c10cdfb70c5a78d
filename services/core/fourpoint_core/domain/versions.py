"""Names and states of published versions, and what makes two of them differ."""

import re
from collections.abc import Collection
from enum import StrEnum

from fourpoint_core.errors import InvalidInputError

# As ModelArts has it: the name becomes a directory and a file of the published tree.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)
NAME_PATTERN = "^[A-Za-z0-9_-]{1,32}$"


class VersionState(StrEnum):
    """How far a version is: only a published one can be read, compared and made current."""

    PUBLISHING = "publishing"
    PUBLISHED = "published"
    FAILED = "failed"


class Change(StrEnum):
    """What became of a sample, an annotation or a label from one state of a dataset to another."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


class FileState(StrEnum):
    """What became of the file that a version pinned. REPLACED: other bytes lie under its key."""

    THERE = "there"
    REPLACED = "replaced"
    MISSING = "missing"
    DELETED = "deleted"


def check_version_name(name: str, pointer: str = "/name") -> str:
    """The name. Raises InvalidInputError unless it is 1 to 32 letters, digits, `_` and `-` of ASCII."""
    if not _NAME.fullmatch(name):
        raise InvalidInputError.at(
            pointer, "version_name", "Name a version with 1 to 32 letters, digits, underscores and hyphens."
        )
    return name


def default_version_name(number: int, taken: Collection[str]) -> str:
    """`V001` for the first version, and so on; what somebody took by hand is passed over."""
    while (name := f"V{number:03d}") in taken:
        number += 1
    return name
