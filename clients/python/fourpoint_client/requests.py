"""What is asked of the service, before anything is sent."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import quote

import httpx

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


@dataclass(frozen=True)
class Put:
    """A file for a signed address, which needs no token and may be another server's.

    pieces: begin anew each time they are iterated over, because a broken connection takes some with it.
    """

    method = "PUT"
    url: str
    headers: Mapping[str, str]
    pieces: Iterable[bytes]


class Growing(Protocol):
    """What a download goes into."""

    def wanted(self) -> Mapping[str, str]:
        """The headers that ask for what is not there yet."""

    def begin(self, answer: httpx.Response) -> None:
        """Hear what comes, before its first piece."""

    def take(self, piece: bytes) -> None:
        """Grow by a piece."""


@dataclass(frozen=True)
class Get:
    """What lies at a signed address, piece by piece."""

    method = "GET"
    url: str
    into: Growing


def address(template: str, **names: Any) -> str:
    """A path whose `{name}`s are filled in, each as one segment."""
    return template.format_map({name: quote(str(value), safe="") for name, value in names.items()})
