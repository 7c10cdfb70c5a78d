"""Every format: what was written, read and written again is the same, or differs in what is said here."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.formats.shapes import BLOCK, CUP, FINE, PAIR, PLATE, RING, contour, picture, square, thing
from tests.unit.formats.trees import Source, images_in, labels_in, read, refusals_in, taken_over, written

from fourpoint_core.domain.annotations import Traits
from fourpoint_core.domain.geometry import Contour, Part, validate_contour
from fourpoint_worker.formats.catalogue import FORMATS
from fourpoint_worker.formats.values import ExportedImage, ExportedObject, Notes

# What holds everything that is asked of a format: several objects, decimals, holes, parts, words and numbers.
RICH = {
    "attributes": {"text": 'a & b, "c"', "number": 3, "list": [1, {"x": None}]},
    "z_order": 0,
    "occluded": True,
}
PICTURES = [
    picture(thing(BLOCK), thing(FINE, PLATE, 2, **RICH), path="shelf/one.jpg"),
    picture(thing(RING, PLATE), thing(PAIR, CUP, 2, difficult=True, visible=False), path="shelf/two.jpg"),
    picture(path="three.png"),
]
SPLIT = [
    picture(thing(BLOCK), path="a.jpg", usage="train"),
    picture(thing(PAIR), path="b.jpg", usage="val"),
    picture(path="c.jpg", usage="test"),
]
# Pixels are what these keep; the outline comes back along their edges.
BY_PIXELS = {"voc"}
WITHOUT_TRAITS = {"yolo"}


@pytest.mark.parametrize("name", FORMATS)
def test_reading_and_writing_again_changes_nothing(name: str) -> None:
    first = written(name, Source(PICTURES))
    found = read(name, first)
    assert refusals_in(found) == []
    assert written(name, taken_over(Source(PICTURES), found)).contents == first.contents


@pytest.mark.parametrize("name", FORMATS)
def test_a_split_is_kept(name: str) -> None:
    first = written(name, Source(SPLIT), with_images=True)
    again = taken_over(Source(SPLIT), read(name, first))
    assert [image.usage for image in again.pictures] == ["train", "val", "test"]
    assert written(name, again, with_images=True).contents == first.contents


@pytest.mark.parametrize("name", FORMATS)
def test_every_object_comes_back_with_its_label_and_about_its_area(name: str) -> None:
    source = Source(PICTURES)
    again = taken_over(source, read(name, written(name, source)))
    for before, after in zip(source.pictures, again.pictures, strict=True):
        assert [each.label for each in after.objects] == [each.label for each in before.objects]
        for one, other in zip(before.objects, after.objects, strict=True):
            assert other.contour.area == pytest.approx(one.contour.area, rel=0.03)


@pytest.mark.parametrize("name", sorted(set(FORMATS) - WITHOUT_TRAITS))
def test_what_is_said_of_an_object_comes_back(name: str) -> None:
    source = Source(PICTURES)
    again = taken_over(source, read(name, written(name, source)))
    for before, after in zip(source.pictures, again.pictures, strict=True):
        assert [each.traits for each in after.objects] == [each.traits for each in before.objects]


@pytest.mark.parametrize("name", ["coco", "label_studio", "labelme", "modelarts", "cvat", "voc"])
def test_scores_come_back(name: str) -> None:
    scored = ExportedObject("x", CUP, BLOCK, Traits(), 0.8125)
    source = Source([picture(scored)])
    again = taken_over(source, read(name, written(name, source)))
    assert again.pictures[0].objects[0].score == 0.8125


@pytest.mark.parametrize("name", ["coco", "labelme"])
def test_positions_come_back_to_the_last_digit(name: str) -> None:
    exact = contour(Part(((1 / 3, 2 / 7), (90.123456789, 3.3), (50.1, 80.00000001))))
    source = Source([picture(thing(exact))])
    again = taken_over(source, read(name, written(name, source)))
    assert again.pictures[0].objects[0].contour == exact


@pytest.mark.parametrize("name", ["yolo", "label_studio", "cvat"])
def test_positions_come_back_to_a_millionth_of_a_pixel(name: str) -> None:
    exact = contour(Part(((1 / 3, 2 / 7), (90.123456789, 3.3), (50.1, 80.00000001))))
    notes = Notes()
    source = Source([picture(thing(exact))])
    again = taken_over(source, read(name, written(name, source, notes)))
    assert again.pictures[0].objects[0].contour.parts[0].outer == tuple(
        (round(x, 6), round(y, 6)) for x, y in exact.parts[0].outer
    )
    assert notes.counts["coordinates_rounded"] == 1


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("modelarts", {"coordinates_rounded": 1, "holes_bridged": 1, "parts_split": 1}),
        ("coco", {"holes_as_rle": 1}),
        ("yolo", {"holes_bridged": 1, "parts_bridged": 1, "attributes_left_out": 1, "traits_left_out": 2}),
        ("voc", {"rasterised": 4}),
        ("cvat", {"holes_as_mask": 1, "parts_grouped": 1}),
        ("label_studio", {"holes_bridged": 1, "parts_bridged": 1}),
        ("labelme", {"holes_bridged": 1, "parts_grouped": 1}),
    ],
)
def test_every_conversion_is_counted(name: str, counts: dict[str, int]) -> None:
    notes = Notes()
    written(name, Source(PICTURES), notes)
    assert dict(notes.counts) == counts


@pytest.mark.parametrize("name", ["coco", "yolo", "voc", "cvat"])
def test_labels_that_no_object_has_are_written_too(name: str) -> None:
    found = labels_in(read(name, written(name, Source([picture(path="a.jpg")]))))
    assert [label.name for label in found] == ["cup", "plate"]


@pytest.mark.parametrize("name", FORMATS)
def test_names_of_every_script_come_back(name: str) -> None:
    pictures = [picture(thing(BLOCK), path="架子/茶 杯 &<\"'.jpg")]
    again = taken_over(Source(pictures), read(name, written(name, Source(pictures), with_images=True)))
    assert len(again.pictures[0].objects) == 1


@st.composite
def scenes(draw: st.DrawFn) -> list[ExportedImage]:
    """Pictures with objects of one or two parts that lie apart, some with holes, at any position."""
    objects = []
    for column in range(draw(st.integers(1, 4))):
        parts = []
        for row in range(draw(st.integers(1, 2))):
            x = column * 25 + draw(st.floats(0, 4))
            y = row * 45 + draw(st.floats(0, 4))
            side = draw(st.floats(12, 20))
            hole = (square(x + side / 3, y + side / 3, side / 4),) if draw(st.booleans()) else ()
            parts.append(Part(square(x, y, side), hole))
        objects.append(thing(Contour(tuple(parts)), draw(st.sampled_from([CUP, PLATE])), column + 1))
    return [picture(*objects)]


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=25, deadline=None)
@given(pictures=scenes())
def test_reading_and_writing_again_changes_nothing_whatever_the_scene(
    name: str, pictures: list[ExportedImage]
) -> None:
    source = Source(pictures)
    first = written(name, source)
    found = read(name, first)
    for image in images_in(found):
        for each in image.objects:
            assert each.contour is not None
            validate_contour(each.contour, 100, 90)
    assert written(name, taken_over(source, found)).contents == first.contents
