"""Identifiers: UUIDv7, so that primary keys grow with time and indexes stay dense."""

from uuid import UUID

from uuid_utils.compat import uuid7

# Author and owner of everything until there are accounts; created by the first migration.
LOCAL_USER_ID = UUID("01900000-0000-7000-8000-000000000001")


def new_id() -> UUID:
    """A fresh UUIDv7."""
    return uuid7()
