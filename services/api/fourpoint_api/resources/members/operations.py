"""What can be done with the members of a dataset; no HTTP."""

from uuid import UUID

from fourpoint_core.domain.access import Access, Caller, Role, require
from fourpoint_core.store.queries import datasets, members, users
from fourpoint_core.store.queries.members import Kind, Member
from fourpoint_core.store.session import Sessions, reading, unit_of_work


def listing(sessions: Sessions, dataset_id: UUID) -> list[Member]:
    """All members of a dataset. Raises NotFoundError."""
    with reading(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        return members.members_of(session, dataset_id)


def put(sessions: Sessions, dataset_id: UUID, user_id: UUID, role: Role) -> Member:
    """Make somebody a member, or change what a member is. Raises NotFoundError or LastOwnerError."""
    with unit_of_work(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        users.get_user(session, user_id)
        members.set_role(session, dataset_id, user_id, role)
        return members.get_member(session, dataset_id, user_id)


def remove(sessions: Sessions, caller: Caller, dataset_id: UUID, user_id: UUID) -> None:
    """End a membership: one's own, or as an owner another's.

    Raises NotFoundError, InsufficientRoleError or LastOwnerError.
    """
    with unit_of_work(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        if user_id != caller.user_id:
            role = members.role_at(session.connection(), caller.user_id, Kind.DATASET, dataset_id)
            require(caller, Access.of(Role.OWNER), role)
        members.remove(session, dataset_id, user_id)
