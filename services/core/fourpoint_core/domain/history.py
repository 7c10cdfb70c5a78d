"""Revisions of a document: what differs between two, and where undo and redo lead.

A document's line is what undo and redo walk along. Both are saves of their own: nothing is taken out of
history, and the state that a revision brings back includes its own undo and redo. So after an undo, redo
leads back to the revision that was undone, and a new save begins a line that no longer leads there.
"""

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

# Of the fields that a save compares; several columns make up one field that a person would name.
FIELD_OF_COLUMN = {
    "label_id": "label",
    "contour": "contour",
    "method": "method",
    "prompt": "provenance",
    "contour_id": "provenance",
    "engine": "provenance",
    "model_digest": "provenance",
    "score": "provenance",
    "attributes": "attributes",
    "visible": "visible",
    "z_order": "z_order",
    "difficult": "difficult",
    "occluded": "occluded",
    "truncated": "truncated",
    "unconfirmed": "confirmation",
}


class Action(StrEnum):
    """What a save did."""

    ADD = "add"
    EDIT = "edit"
    DELETE = "delete"
    DELETE_ALL = "delete_all"
    REPLACE = "replace"
    UNDO = "undo"
    REDO = "redo"
    RESTORE = "restore"
    MERGE_LABEL = "merge_label"
    DELETE_LABEL = "delete_label"
    SYNC = "sync"
    SET_VERSION = "set_version"
    IMPORT = "import"
    PRE_LABEL = "pre_label"
    CONFIRM = "confirm"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class State:
    """A revision as undo and redo see it. number 0 is the empty document before the first save.

    undo_to, redo_to: as in the row; only undo and redo write them.
    """

    number: int
    action: Action | None = None
    undo_to: int | None = None
    redo_to: int | None = None


def undo_target(state: State) -> int | None:
    """The revision whose state an undo brings back; None where nothing is left to undo.

    A plain save is undone to the revision before it; what undid or redid says itself.
    """
    if state.number == 0:
        return None
    if state.action in {Action.UNDO, Action.REDO}:
        return state.undo_to
    return state.number - 1


def redo_target(state: State) -> int | None:
    """The revision whose state a redo brings back; None after anything but an undo."""
    return state.redo_to


@dataclass(frozen=True, slots=True)
class Comparison(Generic[Key]):
    """What makes one document of another; `changed` names the columns that differ."""

    added: tuple[Key, ...]
    removed: tuple[Key, ...]
    changed: dict[Key, tuple[str, ...]]

    @property
    def is_empty(self) -> bool:
        """Whether the two say the same."""
        return not (self.added or self.removed or self.changed)


def compare(before: Mapping[Key, Any], after: Mapping[Key, Any]) -> Comparison[Key]:
    """Compare two documents, each a mapping of ids to objects with the attributes of `FIELD_OF_COLUMN`."""
    changed = {
        key: columns for key in after if key in before and (columns := _differing(before[key], after[key]))
    }
    return Comparison(
        added=tuple(key for key in after if key not in before),
        removed=tuple(key for key in before if key not in after),
        changed=changed,
    )


def fields_of(columns: tuple[str, ...]) -> list[str]:
    """The fields that a person would name, of columns that differ."""
    return list(dict.fromkeys(FIELD_OF_COLUMN[column] for column in columns))


def _differing(before: Any, after: Any) -> tuple[str, ...]:
    return tuple(
        column
        for column in FIELD_OF_COLUMN
        if not _say_the_same(column, getattr(before, column), getattr(after, column))
    )


def _say_the_same(column: str, one: Any, other: Any) -> bool:
    # In Python true equals 1; to whoever reads attributes they are not the same.
    return one == other and (column != "attributes" or not one or _text(one) == _text(other))


def _text(attributes: dict[str, Any]) -> str:
    return json.dumps(attributes, sort_keys=True)
