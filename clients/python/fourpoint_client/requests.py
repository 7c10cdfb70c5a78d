"""What is asked of the service, before anything is sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

Result = TypeVar("Result")
Item = TypeVar("Item")


@dataclass(frozen=True)
class Call(Generic[Result]):
    """A request whose answer is a Result. None among query and headers means: not sent."""

    method: str
    path: str
    query: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str | None] = field(default_factory=dict)
    json: object = None
    files: Sequence[tuple[str, bytes]] | None = None
    content: bytes | None = None


@dataclass(frozen=True)
class ListCall(Call[Result], Generic[Result, Item]):
    """A request for one page, whose `items` are Items."""


def address(template: str, **names: Any) -> str:
    """A path whose `{name}`s are filled in, each as one segment."""
    return template.format_map({name: quote(str(value), safe="") for name, value in names.items()})
