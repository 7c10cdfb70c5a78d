"""Which samples somebody means: all conditions must hold, and what is not asked does not restrict."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

_SPAN = re.compile(r"([1-9][0-9]{0,2})(h|d|w|mo|y)", re.ASCII)
_LAST_CHARACTER = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


class Status(StrEnum):
    """The tabs of a sample list. Images whose files are gone are in MISSING, and in no other."""

    ALL = "all"
    LABELED = "labeled"
    UNLABELED = "unlabeled"
    MISSING = "missing"


class LabelMatch(StrEnum):
    """Whether a sample needs one of the labels or each of them."""

    ANY = "any"
    ALL = "all"


class SortKey(StrEnum):
    """What samples can be sorted by."""

    CREATED_AT = "created_at"
    NAME = "name"
    SIZE = "size"
    ANNOTATION_COUNT = "annotation_count"


@dataclass(frozen=True, slots=True)
class Sort:
    """An order of samples. Names go by their code points; equals go by id."""

    key: SortKey = SortKey.CREATED_AT
    descending: bool = False

    def __str__(self) -> str:
        """As the contract writes it: `-size`."""
        return f"{'-' if self.descending else ''}{self.key.value}"


SORTS = {str(sort): sort for key in SortKey for sort in (Sort(key), Sort(key, True))}


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time by the calendar: a month is not always as many days."""

    count: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> "Span":
        """`12h`, `1d`, `2w`, `1mo`, `5y`. Raises ValueError."""
        match = _SPAN.fullmatch(text)
        if match is None:
            raise ValueError("Give a span as 1 to 999 of h, d, w, mo or y, as in 1d or 1mo.")
        return cls(int(match[1]), match[2])

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"


@dataclass(frozen=True, slots=True)
class SampleFilter:
    """Conditions on a sample and on its annotation document, joined by AND.

    created_after: or at that time; created_before: earlier than that; created_within: not longer ago.
    name_contains: anywhere in the name, in any case, literally. path_prefix: of the object key, literally. Both
    in whichever Unicode form (NFC, NFD) they are typed.
    labeled_by: the last save that left an object was by one of them.
    never_labeled: whether no revision ever had an object. not_labeled_by: no revision with an object is by
    one of them. difficult: whether an object is marked so. attributes: pairs that some object has.
    changed: whether the bucket holds other bytes than those that were labeled, and nobody has looked since.
    unconfirmed: whether an object has an outline that a batch has drawn and nobody has confirmed.
    unsure: whether one of those is an outline that the engine is not sure of.
    at: the documents as they stood at that time, of the samples there were; None: as they are.
    version: the samples and documents of a published version; not together with `at`.
    """

    status: Status = Status.ALL
    label_ids: tuple[UUID, ...] = ()
    label_match: LabelMatch = LabelMatch.ANY
    created_within: Span | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    name_contains: str | None = None
    path_prefix: str | None = None
    labeled_by: tuple[UUID, ...] = ()
    never_labeled: bool | None = None
    not_labeled_by: tuple[UUID, ...] = ()
    difficult: bool | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    changed: bool | None = None
    unconfirmed: bool | None = None
    unsure: bool | None = None
    at: datetime | None = None
    version: UUID | None = None

    @property
    def only_status(self) -> bool:
        """Whether nothing is asked beyond the tab, of whichever version."""
        return self == SampleFilter(status=self.status, version=self.version)


def next_prefix(prefix: str) -> str | None:
    """The least string above all that begin with `prefix`, by code points; None: there is none."""
    for end in range(len(prefix), 0, -1):
        code = ord(prefix[end - 1])
        if code < _LAST_CHARACTER:
            following = _SURROGATES.stop if code + 1 in _SURROGATES else code + 1
            return prefix[: end - 1] + chr(following)
    return None
