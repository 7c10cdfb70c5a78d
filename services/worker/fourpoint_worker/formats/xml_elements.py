"""XML as a stream of small trees that know their lines, of files that nobody vouches for.

Parsing is defusedxml's: a DTD, and with it every entity, is refused. What is bounded here is memory.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler
from xml.sax.saxutils import escape as _escape
from xml.sax.saxutils import quoteattr as _quoteattr
from xml.sax.xmlreader import AttributesImpl

from defusedxml.common import DefusedXmlException
from defusedxml.expatreader import DefusedExpatParser

from fourpoint_worker.formats.values import FormatError

CHUNK_BYTES = 64 * 1024
MAX_TREE_BYTES = 64 * 1024 * 1024
# An image may have 200,000 vertices, and ModelArts gives each coordinate an element of its own.
MAX_TREE_ELEMENTS = 600_000
MAX_DEPTH = 32


@dataclass(slots=True)
class Element:
    """One element. text: what stands between its tags, children left out, without spaces around it."""

    name: str
    line: int
    attributes: dict[str, str] = field(default_factory=dict)
    children: list["Element"] = field(default_factory=list)
    text: str = ""

    def find(self, name: str) -> "Element | None":
        """The first child of that name."""
        return next((child for child in self.children if child.name == name), None)

    def all(self, name: str) -> Iterator["Element"]:
        """Children of that name."""
        return (child for child in self.children if child.name == name)


class _Trees(ContentHandler):
    """Builds the trees that begin at `depth` and lets go of everything else."""

    def __init__(self, parser: DefusedExpatParser, depth: int, root: str):
        super().__init__()
        self._parser = parser
        self.ready: deque[Element] = deque()
        self._depth = depth
        self._root = root
        self._above: list[str] = []
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self._count = 0

    @property
    def is_within(self) -> bool:
        return bool(self._open)

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802 - SAX calls it so
        line = self._line()
        if not self._above and name != self._root:
            raise FormatError("wrong_root", f"Expected <{self._root}>; the file begins with <{name}>.", line)
        if len(self._above) >= MAX_DEPTH:
            raise FormatError("xml_too_deep", f"Elements are nested more than {MAX_DEPTH} deep.", line)
        if self._open or len(self._above) == self._depth:
            self._count += 1
            if self._count > MAX_TREE_ELEMENTS:
                raise FormatError(
                    "xml_too_large", f"One image has more than {MAX_TREE_ELEMENTS} elements.", line
                )
            element = Element(name, line, dict(attrs.items()))
            if self._open:
                self._open[-1].children.append(element)
            self._open.append(element)
            self._texts.append([])
        self._above.append(name)

    def characters(self, content: str) -> None:
        if self._texts:
            self._texts[-1].append(content)

    def endElement(self, name: str) -> None:  # noqa: N802 - SAX calls it so
        self._above.pop()
        if not self._open:
            return
        element = self._open.pop()
        element.text = "".join(self._texts.pop()).strip()
        if not self._open:
            self.ready.append(element)
            self._count = 0

    def _line(self) -> int:
        return int(self._parser.getLineNumber() or 0)


def elements(stream: BinaryIO, root: str, depth: int = 0) -> Iterator[Element]:
    """Every element `depth` levels below the root, with all that it holds, as soon as it is complete.

    Raises FormatError with a line: malformed or truncated XML, wrong encoding, a DTD or an entity, another
    root, or a single element beyond the bounds of this module.
    """
    parser = DefusedExpatParser(forbid_dtd=True)
    trees = _Trees(parser, depth, root)
    parser.setContentHandler(trees)
    pending = 0
    while True:
        chunk = stream.read(CHUNK_BYTES)
        try:
            # A file of no bytes is fed as well: only then does its end say that there is no element.
            parser.feed(chunk)
            if not chunk:
                parser.close()
        except SAXParseException as error:
            yield from trees.ready
            line = error.getLineNumber()
            raise FormatError(
                "xml_malformed", f"This is no well-formed XML: {error.getMessage()}.", line
            ) from None
        except DefusedXmlException:
            raise FormatError(
                "xml_dtd_refused",
                "Remove the DOCTYPE and its entities; none are read.",
                parser.getLineNumber() or 1,
            ) from None
        except (LookupError, ValueError) as error:
            raise FormatError("xml_encoding", f"The encoding is not known: {error}.", 1) from None
        pending = len(chunk) if trees.ready else pending + len(chunk)
        while trees.ready:
            yield trees.ready.popleft()
        if not chunk:
            return
        if pending > MAX_TREE_BYTES:
            raise FormatError(
                "xml_too_large",
                f"One image takes more than {MAX_TREE_BYTES >> 20} MiB.",
                parser.getLineNumber(),
            )


def text(value: str) -> str:
    """As the text of an element; characters that XML cannot hold become U+FFFD."""
    return _escape(_representable(value))


def attribute(value: str) -> str:
    """As the value of an attribute, with its quotes."""
    return _quoteattr(_representable(value))


def _representable(value: str) -> str:
    return "".join(
        character
        if character in "\t\n\r"
        or (character >= " " and character not in "\ufffe\uffff" and not _lone(character))
        else "\ufffd"
        for character in value
    )


def _lone(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"
