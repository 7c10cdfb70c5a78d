"""Roles and scopes are ladders, and a caller needs enough of both."""

from itertools import product
from uuid import uuid4

import pytest

from fourpoint_core.domain.access import Access, Caller, Role, Scope, require
from fourpoint_core.errors import InsufficientRoleError, InsufficientScopeError


def caller(scope: Scope, *, is_admin: bool = False) -> Caller:
    return Caller(uuid4(), "ada", is_admin, scope)


@pytest.mark.parametrize(("have", "wanted"), list(product(Role, Role)))
def test_a_role_includes_those_before_it(have: Role, wanted: Role) -> None:
    assert have.includes(wanted) == (list(Role).index(have) >= list(Role).index(wanted))


@pytest.mark.parametrize("role", Role)
def test_who_has_the_role_and_a_token_for_it_may(role: Role) -> None:
    access = Access.of(role)
    require(caller(access.scope), access, role)


@pytest.mark.parametrize(("have", "wanted"), [(Role.VIEWER, Role.LABELER), (Role.LABELER, Role.OWNER)])
def test_a_smaller_role_does_not_do(have: Role, wanted: Role) -> None:
    with pytest.raises(InsufficientRoleError, match=f"takes {wanted.value}"):
        require(caller(Scope.MANAGE), Access.of(wanted), have)


def test_a_role_does_not_help_a_token_for_less() -> None:
    with pytest.raises(InsufficientScopeError) as refusal:
        require(caller(Scope.READ), Access.of(Role.LABELER), Role.OWNER)
    assert refusal.value.scope == "label"


def test_without_a_role_nothing_that_needs_one_is_open() -> None:
    with pytest.raises(InsufficientRoleError):
        require(caller(Scope.MANAGE), Access.of(Role.VIEWER), None)


def test_an_admin_with_a_token_for_it_needs_no_role() -> None:
    require(caller(Scope.ADMIN, is_admin=True), Access.of(Role.OWNER), None)


def test_an_admin_with_a_token_for_less_is_as_everybody() -> None:
    with pytest.raises(InsufficientRoleError):
        require(caller(Scope.MANAGE, is_admin=True), Access.of(Role.VIEWER), None)


def test_a_token_for_admins_makes_nobody_one() -> None:
    with pytest.raises(InsufficientRoleError, match="Only an admin"):
        require(caller(Scope.ADMIN), Access(Scope.ADMIN), None)
