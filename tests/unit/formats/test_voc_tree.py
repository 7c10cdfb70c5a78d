"""Pascal VOC's masks and XML where they do not agree, or where some are not there."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from tests.unit.formats.shapes import BLOCK, PLATE, contour, picture, square, thing
from tests.unit.formats.trees import Source, Tree, images_in, labels_in, read, refusals_in, taken_over, written

from fourpoint_core.domain.geometry import Box, Part
from fourpoint_worker.formats.values import ImportedImage, Refusal

LABEL_MAP = b"# label:color_rgb:parts:actions\nbackground:0,0,0::\ncup:51,153,255::\nplate:255,0,0::\n"
PALETTE = [0, 0, 0, 51, 153, 255, 255, 0, 0, *[0] * 759]
SET = "ImageSets/Segmentation/train.txt"
XML, CLASSES, OBJECTS = "Annotations/b.xml", "SegmentationClass/b.png", "SegmentationObject/b.png"
# Rows and columns of two places.
HERE, THERE = (slice(10, 20), slice(10, 20)), (slice(40, 50), slice(10, 20))
WIDER = (slice(9, 21), slice(9, 21))
VOID = 255


def mask(*painted: tuple[tuple[slice, slice], int]) -> bytes:
    """100 x 90 pixels, the later values over the earlier ones."""
    values = np.zeros((90, 100), np.uint8)
    for place, value in painted:
        values[place] = value
    image = Image.fromarray(values)
    image.putpalette(PALETTE)
    out = BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def xml(*names: str, box: bool = True) -> bytes:
    corners = "<bndbox><xmin>10</xmin><ymin>10</ymin><xmax>19</xmax><ymax>19</ymax></bndbox>" if box else ""
    objects = "\n".join(
        f"<object><name>{name}</name><difficult>1</difficult>{corners}</object>" for name in names
    )
    size = "<size><width>100</width><height>90</height></size>"
    return f"<annotation>{size}\n{objects}</annotation>".encode()


def one_of(files: dict[str, bytes], size: tuple[int, int] | None = (100, 90)) -> ImportedImage:
    """The only image of a tree whose set names it."""
    found = read("voc", Tree({"labelmap.txt": LABEL_MAP, SET: b"b\n", **files}), size)
    assert refusals_in(found) == []
    (image,) = images_in(found)
    return image


def codes(image: ImportedImage) -> list[str]:
    return [note.code for note in image.notes]


def areas(image: ImportedImage) -> list[float | None]:
    return [each.contour and each.contour.area for each in image.objects]


BOX = Box(10, 10, 20, 20)


@pytest.mark.parametrize("count", [255, 300])
def test_every_object_of_very_many_comes_back_with_its_outline(count: int) -> None:
    things = [thing(contour(Part(square(n % 33 * 3, n // 33 * 3, 2))), number=n) for n in range(count)]
    source = Source([picture(*things)])
    first = written("voc", source)
    found = read("voc", first)
    (image,) = images_in(found)
    assert (areas(image), image.notes) == ([4.0] * count, ())
    assert written("voc", taken_over(source, found)).contents == first.contents
    # Without the XML, too.
    assert areas(images_in(read("voc", Tree({**first.contents, "Annotations/shelf/one.xml": xml()})))[0]) == (
        [4.0] * count
    )


def test_what_surrounds_objects_in_both_masks_is_no_object() -> None:
    files = {CLASSES: mask((WIDER, VOID), (HERE, 1)), OBJECTS: mask((WIDER, VOID), (HERE, 1))}
    for more in ({}, {XML: xml("cup")}):
        image = one_of({**files, **more})
        assert (areas(image), image.notes) == ([100.0], ())


def test_what_surrounds_objects_in_the_object_mask_alone_is_none_either_where_the_xml_counts_them() -> None:
    image = one_of({CLASSES: mask((WIDER, 1)), OBJECTS: mask((WIDER, VOID), (HERE, 1)), XML: xml("cup")})
    assert (areas(image), image.notes) == ([100.0], ())


def test_an_image_whose_mask_is_none_is_refused_and_the_next_ones_are_read() -> None:
    files = {"SegmentationClass/a.png": b"GIF", CLASSES: mask((HERE, 1)), SET: b"a\nb\n"}
    found = read("voc", Tree({"labelmap.txt": LABEL_MAP, **files}))
    assert [(each.code, each.place, each.name) for each in refusals_in(found)] == [
        ("mask_damaged", "SegmentationClass/a.png", "a.jpg")
    ]
    assert [(image.name, len(image.objects)) for image in images_in(found)] == [("b.jpg", 1)]


@pytest.mark.parametrize(("path", "data"), [(CLASSES, b"GIF"), (OBJECTS, b"GIF"), (XML, xml("cup")[:-9])])
def test_a_refusal_names_the_file_that_is_to_blame(path: str, data: bytes) -> None:
    files = {SET: b"b\n", XML: xml("cup"), CLASSES: mask((HERE, 1)), OBJECTS: mask((HERE, 1)), path: data}
    (refusal,) = refusals_in(read("voc", Tree({"labelmap.txt": LABEL_MAP, **files})))
    assert (refusal.place, refusal.name) == (path, "b.jpg")


def test_a_set_that_is_no_text_is_refused_and_the_next_one_is_read() -> None:
    files = {"ImageSets/Segmentation/a.txt": b"\n\xff\n", SET: b"b\n", CLASSES: mask((HERE, 1))}
    found = read("voc", Tree({"labelmap.txt": LABEL_MAP, **files}))
    assert [(each.code, each.place, each.line) for each in refusals_in(found)] == [
        ("encoding", "ImageSets/Segmentation/a.txt", 2)
    ]
    assert [image.name for image in images_in(found)] == ["b.jpg"]


@pytest.mark.parametrize("path", [CLASSES, OBJECTS])
def test_a_mask_with_a_colour_of_its_own_for_every_pixel_is_refused_before_it_is_traced(path: str) -> None:
    colours = np.arange(9000, dtype=">u4").view(np.uint8).reshape(90, 100, 4)[..., 1:]
    out = BytesIO()
    Image.fromarray(colours).save(out, "PNG")
    files = {"labelmap.txt": LABEL_MAP, SET: b"b\n", path: out.getvalue(), XML: xml("cup")}
    (refusal,) = refusals_in(read("voc", Tree(files)))
    assert (refusal.code, refusal.place) == ("mask_too_large", path)


def test_where_nobody_knows_the_image_its_mask_says_how_large_it_is() -> None:
    image = one_of({CLASSES: mask((HERE, 1))}, None)
    assert (image.width, image.height, len(image.objects)) == (100, 90, 1)


@pytest.mark.parametrize("masks", [{}, {CLASSES: mask(), OBJECTS: mask()}])
def test_what_only_the_xml_tells_of_is_kept_as_a_box(masks: dict[str, bytes]) -> None:
    image = one_of({XML: xml("plate"), **masks})
    assert [(each.label, each.box, each.traits.difficult) for each in image.objects] == [("plate", BOX, True)]


def test_what_has_neither_mask_nor_box_is_named() -> None:
    image = one_of({XML: xml("plate", box=False)})
    assert image.objects == ()
    assert [(note.code, note.line) for note in image.notes] == [("object_without_shape", 2)]


@pytest.mark.parametrize(("sets", "usage"), [({}, None), ({"ImageSets/Main/val.txt": b"b\n"}, "val")])
def test_a_tree_of_boxes_alone_is_read(sets: dict[str, bytes], usage: str | None) -> None:
    files = {XML: xml("cat"), "JPEGImages/b.jpg": b"", "ImageSets/Main/cat_val.txt": b"b  1\n", **sets}
    (image,) = images_in(read("voc", Tree(files)))
    assert (image.name, image.usage, [each.box for each in image.objects]) == ("b.jpg", usage, [BOX])


@pytest.mark.parametrize("around", [0, VOID])
def test_an_object_whose_outline_is_wider_than_its_class_is_kept(around: int) -> None:
    image = one_of({CLASSES: mask((WIDER, around), (HERE, 1)), OBJECTS: mask((WIDER, 1)), XML: xml("cup")})
    assert [(each.label, each.traits.difficult) for each in image.objects] == [("cup", True)]
    assert (areas(image), image.notes) == ([144.0], ())


def test_an_object_has_the_label_of_most_of_its_pixels() -> None:
    # A column on its left edge is of the other label.
    edge = (slice(10, 20), slice(10, 11))
    image = one_of({CLASSES: mask((HERE, 1), (edge, 2)), OBJECTS: mask((HERE, 1))})
    assert [each.label for each in image.objects] == ["cup"]


@pytest.mark.parametrize("classes", [{CLASSES: mask()}, {}])
def test_an_object_without_class_has_the_label_of_the_xml(classes: dict[str, bytes]) -> None:
    image = one_of({**classes, OBJECTS: mask((HERE, 1)), XML: xml("cup")})
    assert [(each.label, each.traits.difficult) for each in image.objects] == [("cup", True)]
    assert (areas(image), [(note.code, note.line) for note in image.notes]) == (
        [100.0],
        [("label_from_xml", 2)],
    )


def test_an_object_that_nothing_gives_a_label_is_named() -> None:
    image = one_of({CLASSES: mask((THERE, 2)), OBJECTS: mask((HERE, 1))})
    assert (image.objects, codes(image)) == ((), ["object_without_label", "class_without_object"])


def test_an_xml_that_tells_of_fewer_objects_than_are_drawn_is_named_as_left_out() -> None:
    image = one_of(
        {
            CLASSES: mask((HERE, 1), (THERE, 1)),
            OBJECTS: mask((HERE, 1), (THERE, 3)),
            XML: xml("cup", "cup"),
        }
    )
    assert (areas(image), codes(image)) == ([100.0, 100.0], ["xml_left_out"])
    assert not any(each.traits.difficult for each in image.objects)


def test_an_object_that_the_xml_calls_by_another_name_goes_without_what_it_says() -> None:
    image = one_of({CLASSES: mask((HERE, 1)), OBJECTS: mask((HERE, 1)), XML: xml("plate")})
    assert [(each.label, each.traits.difficult) for each in image.objects] == [("cup", False)]
    assert [(note.code, note.line) for note in image.notes] == [("xml_left_out", 2)]


def test_without_an_object_mask_the_xml_is_named_as_left_out() -> None:
    image = one_of({CLASSES: mask((HERE, 1)), XML: xml("cup")})
    assert (areas(image), codes(image)) == ([100.0], ["regions_as_objects", "xml_left_out"])


@pytest.mark.parametrize(
    ("rows", "line"), [(b"cup:9,9,9::\nplate:9,9,9::\n", 2), (b"background:0,0,0::\n\ncup:0,0,0::\n", 3)]
)
def test_a_label_map_with_two_labels_of_one_colour_is_refused(rows: bytes, line: int) -> None:
    found = read("voc", Tree({"labelmap.txt": rows, SET: b"b\n", CLASSES: mask((HERE, 1))}))
    assert [(each.code, each.line) for each in found if isinstance(each, Refusal)] == [
        ("colour_repeated", line)
    ]
    assert images_in(found) == []


def test_a_label_that_a_label_map_names_twice_is_one() -> None:
    rows = b"cup:51,153,255::\ncup:51,153,255::\nplate:255,0,0::\n"
    found = read("voc", Tree({"labelmap.txt": rows, SET: b"b\n", CLASSES: mask((HERE, 1), (THERE, 2))}))
    assert [label.name for label in labels_in(found)] == ["cup", "plate"]
    assert [each.label for each in images_in(found)[0].objects] == ["cup", "plate"]


@pytest.mark.parametrize("name", ["coco", "modelarts", "cvat", "label_studio", "labelme", "yolo"])
def test_a_tree_of_another_format_is_refused_and_declares_no_label(name: str) -> None:
    found = read("voc", written(name, Source([picture(thing(BLOCK), thing(BLOCK, PLATE))])))
    assert [each.code for each in found if isinstance(each, Refusal)] == ["nothing_found"]
    assert len(found) == 1


def test_of_pascals_labels_only_those_are_made_that_an_object_has_in_their_colour() -> None:
    found = read("voc", Tree({XML: xml("cat", "spoon")}))
    assert labels_in(found) == []
    assert [(each.label, each.colour) for each in images_in(found)[0].objects] == [
        ("cat", "#400000"),
        ("spoon", None),
    ]
