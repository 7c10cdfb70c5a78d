"""Who may do what: roles in a dataset, scopes of a token, and the one global admin."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from fourpoint_core.errors import InsufficientRoleError, InsufficientScopeError, InvalidInputError

TOKEN_PREFIX = "fpt_"  # noqa: S105 - what every token begins with, so that scanners of secrets find them
MAX_NAME_LENGTH = 100


class _Ladder(StrEnum):
    """Steps in the order they are written; each includes those before it."""

    def includes(self, other: Self) -> bool:
        """Whether who has this may do what `other` may."""
        steps: Sequence[_Ladder] = list(type(self))
        return steps.index(self) >= steps.index(other)


class Role(_Ladder):
    """What somebody is in one dataset."""

    VIEWER = "viewer"
    LABELER = "labeler"
    OWNER = "owner"


class Scope(_Ladder):
    """What a token may be used for, whatever its bearer may do besides."""

    READ = "read"
    LABEL = "label"
    MANAGE = "manage"
    ADMIN = "admin"


SCOPE_OF_ROLE = {Role.VIEWER: Scope.READ, Role.LABELER: Scope.LABEL, Role.OWNER: Scope.MANAGE}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request, and with what.

    token_id: of the API token that the request came with; None for other ways to sign in.
    token_expires_at: when what it came with ends; None: never.
    """

    user_id: UUID
    name: str
    is_admin: bool
    scope: Scope
    token_id: UUID | None = None
    token_expires_at: datetime | None = None

    @property
    def acts_as_admin(self) -> bool:
        """Whether everything is open: an admin, whose token was made for that."""
        return self.is_admin and self.scope is Scope.ADMIN


@dataclass(frozen=True, slots=True)
class Access:
    """What an operation asks of its caller.

    role: in the dataset that the address names; None where it names none. Scope ADMIN asks for an admin.
    """

    scope: Scope
    role: Role | None = None

    @classmethod
    def of(cls, role: Role) -> "Access":
        """A role, and the scope that goes with it."""
        return cls(SCOPE_OF_ROLE[role], role)


def require(caller: Caller, access: Access, role: Role | None) -> None:
    """Check what a caller, who may know of the resource, wants to do with it.

    role: the caller's in the dataset that the address names. Raises InsufficientScopeError or
    InsufficientRoleError.
    """
    if caller.acts_as_admin:
        return
    if not caller.scope.includes(access.scope):
        raise InsufficientScopeError(
            f"Your token is for {caller.scope.value!r}, and this takes one for {access.scope.value!r}.",
            access.scope.value,
        )
    if access.scope is Scope.ADMIN:
        raise InsufficientRoleError("Only an admin may do this.")
    if access.role is not None and (role is None or not role.includes(access.role)):
        have = "nothing" if role is None else role.value
        raise InsufficientRoleError(
            f"You are {have} of this dataset, and this takes {access.role.value}; ask an owner."
        )


def require_scope_of(name: str, scope: Scope, *, is_admin: bool) -> None:
    """Check that a token for this scope would open anything to its bearer. Raises InvalidInputError.

    name, is_admin: the bearer's.
    """
    if scope is Scope.ADMIN and not is_admin:
        raise InvalidInputError.at(
            "/scope",
            "scope_too_wide",
            f"{name!r} is no admin; choose `manage` or less, or promote them.",
        )


def clean_user_name(name: str, pointer: str = "/name") -> str:
    """A person's name as it is stored: Unicode NFC, without spaces around it.

    Raises InvalidInputError unless 1 to 100 characters, none of them a control character, remain.
    """
    cleaned = unicodedata.normalize("NFC", name).strip()
    if not 1 <= len(cleaned) <= MAX_NAME_LENGTH:
        raise InvalidInputError.at(
            pointer, "length", f"Give the person a name of 1 to {MAX_NAME_LENGTH} characters."
        )
    if any(map(_is_control_character, cleaned)):
        raise InvalidInputError.at(
            pointer,
            "control_character",
            "Remove control characters, such as tabs and line ends, from the name.",
        )
    return cleaned


def user_name_from(text: str) -> str | None:
    """A name that somebody else chose, made to pass `clean_user_name`; None where nothing of it is left.

    What cannot be seen goes, too: marks that turn the direction of writing make one name look like another.
    """
    visible = "".join(filter(str.isprintable, unicodedata.normalize("NFC", text)))
    return unicodedata.normalize("NFC", visible).strip()[:MAX_NAME_LENGTH].strip() or None


def told_apart(name: str, user_id: UUID) -> str:
    """A name that is somebody else's already, with an id behind it, and no longer than names may be."""
    suffix = f" {user_id}"
    return name[: MAX_NAME_LENGTH - len(suffix)].strip() + suffix


def _is_control_character(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cs"}
