"""Where undo and redo lead, and what makes one document of another."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourpoint_core.domain.history import (
    FIELD_OF_COLUMN,
    Action,
    State,
    compare,
    fields_of,
    redo_target,
    undo_target,
)

PLAIN = [action for action in Action if action not in {Action.UNDO, Action.REDO}]


def row(**columns: Any) -> SimpleNamespace:
    return SimpleNamespace(**{**dict.fromkeys(FIELD_OF_COLUMN), "attributes": {}, **columns})


def test_there_is_nothing_to_undo_in_the_empty_document() -> None:
    assert undo_target(State(0)) is None


@pytest.mark.parametrize("action", PLAIN)
def test_a_save_is_undone_to_the_revision_before(action: Action) -> None:
    assert undo_target(State(7, action)) == 6


@pytest.mark.parametrize("action", [Action.UNDO, Action.REDO])
def test_what_undid_or_redid_says_where_undo_leads(action: Action) -> None:
    assert undo_target(State(7, action, undo_to=2)) == 2
    assert undo_target(State(7, action)) is None


@given(st.lists(st.sampled_from(["save", "undo", "redo"]), max_size=40))
def test_undo_and_redo_walk_a_line_as_two_stacks_do(steps: list[str]) -> None:
    states, contents = [State(0)], [0]
    past: list[int] = []
    future: list[int] = []
    for step in steps:
        now, number = states[-1], len(states)
        target = {"save": None, "undo": undo_target(now), "redo": redo_target(now)}[step]
        if step == "save":
            states.append(State(number, Action.EDIT))
            past, future = [*past, contents[-1]], []
            contents.append(number)
            continue
        expected = past if step == "undo" else future
        assert (target is None) == (not expected)
        if target is None:
            continue
        assert contents[target] == expected[-1]
        back = states[target]
        if step == "undo":
            past, future = past[:-1], [*future, contents[-1]]
            states.append(State(number, Action.UNDO, undo_target(back), now.number))
        else:
            past, future = [*past, contents[-1]], future[:-1]
            states.append(State(number, Action.REDO, undo_target(back), redo_target(back)))
        contents.append(contents[target])


def test_documents_are_compared_by_id() -> None:
    found = compare({1: row(), 2: row(z_order=1)}, {2: row(z_order=2), 3: row()})
    assert (found.added, found.removed, found.changed) == ((3,), (1,), {2: ("z_order",)})


def test_equal_documents_do_not_differ() -> None:
    assert compare({1: row(contour={"parts": [10]})}, {1: row(contour={"parts": [10.0]})}).is_empty


def test_attributes_that_python_takes_for_equal_differ() -> None:
    assert compare({1: row(attributes={"a": 1})}, {1: row(attributes={"a": True})}).changed == {
        1: ("attributes",)
    }


def test_columns_of_one_field_are_named_once() -> None:
    assert fields_of(("label_id", "engine", "score")) == ["label", "provenance"]
