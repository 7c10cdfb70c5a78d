"""What a labeling configuration of Label Studio says about outlines: which tags may be answered with.

Tags that are unknown here are no matter; XML that brings entities or a DTD is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from fourpoint_core.errors import InvalidInputError

# By preference: a polygon can be edited on.
_CONTROLS = ("PolygonLabels", "Polygon", "BrushLabels", "Brush")


@dataclass(frozen=True, slots=True)
class Control:
    """A tag that outlines can be given in. kind: `type` of its regions. labels: those it has by name."""

    kind: str
    name: str
    to_name: str
    labels: tuple[str, ...]

    @property
    def is_brush(self) -> bool:
        """Whether it takes painted pixels; else a ring of vertices."""
        return self.kind.startswith("brush")

    def labels_for(self, label: str | None) -> list[str] | None:
        """The label of its regions that a click's label stands for; None where its regions have none."""
        if not self.kind.endswith("labels"):
            return None
        if label is not None and (label in self.labels or not self.labels):
            return [label]
        return list(self.labels) if len(self.labels) == 1 else []


@dataclass(frozen=True, slots=True)
class LabelConfig:
    """images: the field of a task's data that holds an image, by the name of its tag."""

    images: dict[str, str]
    controls: Sequence[Control]

    def control_for(self, to_name: str | None, label: str | None) -> Control | None:
        """The tag to answer in: for that image, polygons before brushes, with that label if there is one."""
        fitting = [one for one in self.controls if to_name is None or one.to_name == to_name]
        known = [one for one in fitting if label in one.labels]
        return next(iter([*known, *fitting]), None)


def parse(text: str, pointer: str) -> LabelConfig:
    """Raises InvalidInputError."""
    try:
        root = fromstring(text, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, RecursionError) as error:
        raise InvalidInputError.at(pointer, "invalid", "The labeling configuration is no plain XML.") from error
    images = {
        tag.get("name", ""): tag.get("value", "").removeprefix("$")
        for tag in root.iter("Image")
        if tag.get("value", "").startswith("$")
    }
    controls = [_control(kind, tag) for kind in _CONTROLS for tag in root.iter(kind)]
    return LabelConfig(images, controls)


def _control(kind: str, tag: Element) -> Control:
    labels = [label.get("alias") or label.get("value") or "" for label in tag.iter("Label")]
    # `$labels` is filled in from each task, and only Label Studio knows with what.
    named = tuple(label for label in labels if label and not label.startswith("$"))
    return Control(kind.lower(), tag.get("name", ""), tag.get("toName", ""), named)
