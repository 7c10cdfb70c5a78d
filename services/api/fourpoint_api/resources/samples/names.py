"""File names as they may be stored: harmless, and different from one another."""

import unicodedata
from collections.abc import Iterator
from pathlib import PurePosixPath

from fourpoint_core.imaging.inspect import SUFFIXES

MAX_STEM_BYTES = 150
# Characters that mean something to a shell, a browser, an XML file or Windows.
_UNSAFE = set("<>:\"/\\|?*&'%;`$#") | {"\x7f"}


def safe_name(given: str, media_type: str) -> str:
    """A name without folders, control characters or leading dots, with a suffix that fits the content."""
    base = unicodedata.normalize("NFC", given.replace("\\", "/").rsplit("/", 1)[-1])
    cleaned = "".join("_" if _is_unsafe(character) else character for character in base)
    path = PurePosixPath(cleaned.strip(" .") or "image")
    fits = path.suffix.lower() in SUFFIXES[media_type]
    stem, suffix = (path.stem, path.suffix) if fits else (path.name, SUFFIXES[media_type][0])
    return _shorten(stem) + suffix


def alternatives(name: str) -> Iterator[str]:
    """The name, then `name-2`, `name-3`, ...: a second `photo.jpg` must not replace the first."""
    yield name
    path = PurePosixPath(name)
    number = 2
    while True:
        yield f"{path.stem}-{number}{path.suffix}"
        number += 1


def _is_unsafe(character: str) -> bool:
    return character in _UNSAFE or unicodedata.category(character) in {
        "Cc",
        "Cf",
        "Cs",
        "Co",
        "Cn",
        "Zl",
        "Zp",
    }


def _shorten(stem: str) -> str:
    cut = stem.encode()[:MAX_STEM_BYTES].decode(errors="ignore").strip(" .")
    return cut or "image"
