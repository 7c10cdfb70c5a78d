"""Reads what Pascal VOC's XML says of an image's objects; see `voc_masks`, which writes it."""

from dataclasses import dataclass

from fourpoint_core.domain.annotations import Traits
from fourpoint_core.domain.geometry import Box
from fourpoint_worker.formats import pixel_indices, text_attributes, traits_json
from fourpoint_worker.formats.text_attributes import OWN
from fourpoint_worker.formats.values import FileTree, FormatError
from fourpoint_worker.formats.xml_elements import Element, elements


@dataclass(frozen=True, slots=True)
class Told:
    """What the XML says of an object."""

    label: str
    traits: Traits
    score: float | None
    box: Box | None
    line: int


def read(tree: FileTree, path: str, known: tuple[int, int] | None) -> tuple[list[Told], tuple[int, int] | None]:
    """The objects in their order, and width and height: None where there is no XML and none is known.

    Raises FormatError.
    """
    if not tree.has(path):
        return [], known
    with tree.open(path) as stream:
        root = next(elements(stream, "annotation"), None)
    if root is None:
        raise FormatError("xml_malformed", "The file is empty.", 1)
    size = root.find("size")
    stated = None if size is None else (_whole(size, "width"), _whole(size, "height"))
    agreed = traits_json.agreed_size(stated, known, 1 if size is None else size.line)
    return [_told(element) for element in root.all("object")], agreed


def _told(element: Element) -> Told:
    name = element.find("name")
    label = traits_json.label_name(None if name is None else name.text, element.line)
    holder = element.find("attributes")
    pairs = [
        (key.text, value.text)
        for each in ([] if holder is None else holder.all("attribute"))
        if (key := each.find("name")) is not None and (value := each.find("value")) is not None
    ]
    attributes, own = text_attributes.from_pairs(pairs, element.line)
    flags = {
        flag: (found := element.find(flag)) is not None and found.text in ("1", "true", "True")
        for flag in ("difficult", "occluded", "truncated")
    }
    traits = Traits(
        attributes=attributes,
        visible=own.get(OWN + "visible") != "0",
        z_order=text_attributes.z_order(own.get(OWN + "z_order"), element.line),
        **flags,
    )
    score = own.get(OWN + "score")
    box = element.find("bndbox")
    return Told(
        label,
        traits,
        None if score is None else traits_json.share(traits_json.decimal(score, element.line), element.line),
        None if box is None else _box(box),
        element.line,
    )


def _box(element: Element) -> Box:
    values = []
    for name in ("xmin", "ymin", "xmax", "ymax"):
        found = element.find(name)
        values.append(traits_json.decimal("" if found is None else found.text, element.line))
    return pixel_indices.box_from_indices(*values)


def _whole(element: Element, name: str) -> int:
    found = element.find(name)
    value = None if found is None else traits_json.whole(found.text, 999_999)
    if not value:
        raise FormatError("size_invalid", f"<{name}> takes a whole number of pixels.", element.line)
    return value
