"""Who is asking. The one seam: when there are accounts, only this module learns about tokens."""

from uuid import UUID

from fourpoint_core.ids import LOCAL_USER_ID


def current_user_id() -> UUID:
    """The author of what this request makes; the built-in user until there are accounts."""
    return LOCAL_USER_ID
