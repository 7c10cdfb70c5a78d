"""ModelArts' manifest: JSON lines, one image each, read as a stream however long the file is."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from fourpoint_worker.formats.json_entries import parsed
from fourpoint_worker.formats.text_lines import lines
from fourpoint_worker.formats.values import FormatError

SEGMENTATION = "modelarts/image_segmentation"
_USAGES = {"train": "TRAIN", "val": "EVAL", "test": "TEST"}
_READ_USAGES = {"train": "train", "eval": "val", "validation": "val", "val": "val", "test": "test"}
_AREAS = ("image_segmentation", "object_detection")


@dataclass(frozen=True, slots=True)
class ManifestLine:
    """One image: where it is, where its annotation is, and whether all in it is hard."""

    number: int
    source: str
    annotation: str | None
    usage: str | None
    hard: bool
    left_out: tuple[str, ...] = ()


def written(source: str, sample_id: str, usage: str, annotation: str | None, labeled_at: str | None) -> bytes:
    """One line. sample_id: 32 hex digits. labeled_at: `yyyy-MM-dd HH:mm:ss`."""
    record: dict[str, Any] = {"source": source, "id": sample_id}
    if usage in _USAGES:
        record["usage"] = _USAGES[usage]
    record["sample-type"] = 0
    record["annotation"] = []
    if annotation is not None:
        said = {
            "type": SEGMENTATION,
            "annotation-format": "PASCAL VOC",
            "annotation-loc": annotation,
            "annotated-by": "human",
        }
        record["annotation"] = [{**said, "creation-time": labeled_at} if labeled_at else said]
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def read(stream: BinaryIO) -> Iterator[ManifestLine | FormatError]:
    """Every line that is not blank; what is wrong with one is yielded, and reading goes on.

    Raises FormatError where the lines themselves cannot be told apart: no UTF-8, or one without an end.
    """
    for number, text in lines(stream):
        if text.strip():
            try:
                yield _line(number, _canonical(parsed(text, number)))
            except FormatError as error:
                yield FormatError(error.code, error.detail, number)
            except RecursionError:
                yield FormatError("json_malformed", "This JSON is nested too deep.", number)


def _line(number: int, record: Any) -> ManifestLine:
    if not isinstance(record, dict):
        raise FormatError("line_invalid", "A line is an object.", number)
    source = record.get("source")
    if not isinstance(source, str) or not source.strip():
        raise FormatError("source_missing", "Give the line a source.", number)
    if source.startswith("content://"):
        raise FormatError("source_unsupported", "The line holds a text, not an image.", number)
    annotations = record.get("annotation") or []
    if not isinstance(annotations, list) or not all(isinstance(each, dict) for each in annotations):
        raise FormatError("annotation_invalid", "annotation is a list of objects.", number)
    kinds = [str(each.get("type", "")).rpartition("/")[2] for each in annotations]
    chosen = [each for each, kind in zip(annotations, kinds, strict=True) if kind in _AREAS]
    if len(chosen) > 1:
        raise FormatError("annotation_invalid", "An image has one annotation file.", number)
    location = chosen[0].get("annotation-loc") if chosen else None
    if chosen and (not isinstance(location, str) or not location.strip()):
        raise FormatError("annotation_missing", "Give the annotation an annotation-loc.", number)
    usage = str(record.get("usage") or "").strip().lower()
    hard = _flag(record.get("hard"), number) or any(_flag(each.get("hard"), number) for each in chosen)
    left_out = tuple(kind[:40] for kind in kinds if kind not in _AREAS)
    return ManifestLine(number, source.strip(), location, _READ_USAGES.get(usage), hard, left_out)


def _flag(value: Any, number: int) -> bool:
    if value in (None, False, "", 0):
        return False
    if value is True or value == 1:
        return True
    if isinstance(value, str) and value.lower() in ("true", "false", "0", "1"):
        return value.lower() in ("true", "1")
    raise FormatError("flag_invalid", f"hard is true or false, not {str(value)[:20]!r}.", number)


def _canonical(value: Any) -> Any:
    """Older writers join the words of a key by underscores."""
    if isinstance(value, dict):
        return {str(key).replace("_", "-"): _canonical(each) for key, each in value.items()}
    return [_canonical(each) for each in value] if isinstance(value, list) else value
