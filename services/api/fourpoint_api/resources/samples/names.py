"""File names as they may be stored: harmless, and different from one another."""

import unicodedata
from collections.abc import Iterator
from pathlib import PurePosixPath

from fourpoint_core.ids import new_id
from fourpoint_core.imaging.inspect import SUFFIXES

MAX_STEM_BYTES = 150
MAX_NAME_BYTES = MAX_STEM_BYTES + 64
_COUNTED_ALTERNATIVES = 20
# Devices of Windows, with any suffix: a dataset downloaded there could not be unpacked.
_DEVICES = {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)}
# Characters that mean something to a shell, a browser, an XML file or Windows.
_UNSAFE = set("<>:\"/\\|?*&'%;`$#") | {"\x7f"}


def safe_name(given: str, media_type: str) -> str:
    """A name without folders, control characters or leading dots, with a suffix that fits the content."""
    base = unicodedata.normalize("NFC", given.replace("\\", "/").rsplit("/", 1)[-1])
    cleaned = "".join("_" if _is_unsafe(character) else character for character in base)
    path = PurePosixPath(cleaned.strip(" .") or "image")
    fits = path.suffix.lower() in SUFFIXES[media_type]
    stem, suffix = (path.stem, path.suffix) if fits else (path.name, SUFFIXES[media_type][0])
    return _no_device(_shorten(stem)) + suffix


def alternatives(name: str) -> Iterator[str]:
    """The name, then `name-2`, `name-3`, ...: a second `photo.jpg` must not replace the first.

    Endless. After some it stops counting: every photo from a phone may be called `image.jpg`.
    """
    yield name
    path = PurePosixPath(name)
    for number in range(2, _COUNTED_ALTERNATIVES + 1):
        yield f"{path.stem}-{number}{path.suffix}"
    while True:
        yield f"{path.stem}-{new_id()}{path.suffix}"


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


def _no_device(stem: str) -> str:
    return f"_{stem}" if stem.split(".", maxsplit=1)[0].rstrip().lower() in _DEVICES else stem


def _shorten(stem: str) -> str:
    cut = stem.encode()[:MAX_STEM_BYTES].decode(errors="ignore").strip(" .")
    return cut or "image"
