"""JSON as a stream of entries that know their lines, in memory bounded by the largest one."""

import codecs
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from reprlib import repr as bounded_repr
from typing import Any, BinaryIO, NoReturn

from fourpoint_core.foreign_json import NameTwiceError, unique
from fourpoint_worker.formats.values import FileTree, FormatError

CHUNK_BYTES = 64 * 1024
MAX_ENTRY_CHARACTERS = 64 * 1024 * 1024
# The keys of the object at the top are remembered, so that none counts twice.
MAX_KEYS = 10_000
MAX_KEY_CHARACTERS = 1000
_SPACE = " \t\n\r"
# What the decoder says of text that may only be cut off lies this close to the end of what was read.
_CUT = 24


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of an array at the top, or below a key of the object at the top; or a key's whole value.

    key: None at the top of an array. item: whether it is one of several. text: as it stands in the file.
    """

    key: str | None
    line: int
    value: Any
    text: str
    item: bool


def json_paths(tree: FileTree) -> list[str]:
    """The JSON files that lie outside of `images/`, but for the report that lies beside our own exports."""
    paths = (path for path in tree.paths() if path.endswith(".json") and not path.startswith("images/"))
    return [path for path in paths if path != "fourpoint.json"]


def items(stream: BinaryIO) -> Iterator[Entry]:
    """Every item of a document that is a list, in its order.

    Raises FormatError with a line: what is no JSON, no list, no UTF-8, nested too deep, an object that names
    something twice, or one entry beyond the bound.
    """
    return _Scanner(stream).entries("[")


def members(stream: BinaryIO, lists: Collection[str] = (), needed: Collection[str] = ()) -> Iterator[Entry]:
    """Every entry of a document that is an object, in its order: items of its lists, and its other values.

    lists: keys whose values are lists, where they are there. needed: keys that are there. Raises FormatError as
    `items` does.
    """
    return _Scanner(stream, lists, needed).entries("{")


def parsed(text: str, line: int) -> Any:
    """One JSON text that begins at a line of its file. Raises FormatError."""
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise FormatError("json_malformed", f"This is no JSON: {error.msg}.", line + error.lineno - 1) from None
    except (ValueError, RecursionError) as error:
        raise FormatError("json_malformed", _why_not(error), line) from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _why_not(error: Exception) -> str:
    why = f"it names {error} twice in one object" if isinstance(error, NameTwiceError) else error
    return f"This JSON cannot be taken: {why}."


_DECODER = json.JSONDecoder(parse_constant=_no_constant, object_pairs_hook=unique)


class _Scanner:
    """A buffer of text, a position in it, and the line of that position."""

    def __init__(self, stream: BinaryIO, lists: Collection[str] = (), needed: Collection[str] = ()):
        self._stream = stream
        self._lists = lists
        self._needed = needed
        self._keys: set[str] = set()
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("strict")
        self._text = ""
        self._at = 0
        self._line = 1
        self._ended = False
        self._appetite = CHUNK_BYTES

    def entries(self, wanted: str) -> Iterator[Entry]:
        """Entries of the list, or of the object, that begins with `wanted`."""
        first, line = self._peek(), self._line
        if first not in ("[", "{"):
            self._fail("The file begins with neither an object nor an array.")
        if first != wanted and wanted == "[":
            raise FormatError("list_expected", "The file is one object; expected a list.", line)
        if first != wanted:
            raise FormatError("object_expected", "The file is a list; expected one object.", line)
        yield from self._items(None) if wanted == "[" else self._members()
        if self._peek():
            self._fail("Something follows the document.")
        missing = next((key for key in self._needed if key not in self._keys), None)
        if missing is not None:
            raise FormatError("key_missing", f"The object has no {missing}; give it some.", line)

    def _members(self) -> Iterator[Entry]:
        self._take("{")
        if self._peek() == "}":
            self._take("}")
            return
        while True:
            if self._peek() != '"':
                self._fail("Expected a key in double quotes.")
            key = self._key()
            self._take(":")
            if self._peek() == "[":
                yield from self._items(key)
            elif key in self._lists:
                raise FormatError(
                    "list_expected", f"{key} is no list; make it one, or leave it out.", self._line
                )
            else:
                yield self._value(key, item=False)
            if self._peek() == "}":
                self._take("}")
                return
            self._take(",")

    def _key(self) -> str:
        key = str(self._value(None, item=False).value)
        if key in self._keys:
            self._fail(_why_not(NameTwiceError(bounded_repr(key))))
        if len(self._keys) >= MAX_KEYS or len(key) > MAX_KEY_CHARACTERS:
            raise FormatError("json_too_large", "The object has too many keys, or too long ones.", self._line)
        self._keys.add(key)
        return key

    def _items(self, key: str | None) -> Iterator[Entry]:
        self._take("[")
        if self._peek() == "]":
            self._take("]")
            return
        while True:
            self._peek()
            yield self._value(key, item=True)
            if self._peek() == "]":
                self._take("]")
                return
            self._take(",")

    def _value(self, key: str | None, *, item: bool) -> Entry:
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                is_cut = error.pos >= len(self._text) - _CUT or error.msg.startswith("Unterminated")
                if not (is_cut and self._read_more()):
                    self._advance(error.pos)
                    self._fail(f"This is no JSON: {error.msg}.")
                continue
            except (ValueError, RecursionError) as error:
                self._fail(_why_not(error))
            # A number may go on behind what has been read.
            if end == len(self._text) and self._read_more():
                continue
            entry = Entry(key, self._line, value, self._text[self._at : end], item)
            self._advance(end)
            self._appetite = CHUNK_BYTES
            return entry

    def _peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            at = self._at
            while at < len(self._text) and self._text[at] in _SPACE:
                at += 1
            self._advance(at)
            if at < len(self._text):
                return self._text[at]
            if not self._read_more():
                return ""

    def _take(self, wanted: str) -> None:
        if self._peek() != wanted:
            self._fail(
                f"Expected {wanted!r}." if not self._ended or self._peek() else "The file ends too early."
            )
        self._advance(self._at + 1)

    def _advance(self, to: int) -> None:
        self._line += self._text.count("\n", self._at, to)
        self._at = to

    def _read_more(self) -> bool:
        if self._ended:
            return False
        if len(self._text) - self._at > MAX_ENTRY_CHARACTERS:
            raise FormatError("json_too_large", "One entry is larger than 64 MiB.", self._line)
        data = self._stream.read(self._appetite)
        # Doubled, because an entry that is not complete is read from its start once more.
        self._appetite *= 2
        try:
            more = self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            line = self._line + self._text.count("\n", self._at) + data.count(b"\n", 0, error.start)
            raise FormatError("encoding", "The file is not UTF-8.", line) from None
        self._ended = not data
        self._text = self._text[self._at :] + more
        self._at = 0
        return True

    def _fail(self, detail: str) -> NoReturn:
        raise FormatError("json_malformed", detail, self._line)
