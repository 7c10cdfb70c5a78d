"""ModelArts' VOC-XML: every form that is found is read, the documented one is written."""

from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.formats.shapes import BLOCK, FINE, PAIR, PLATE, RING, contour, picture, square, thing

from fourpoint_core.domain.geometry import Box, Contour, Part, validate_contour
from fourpoint_worker.formats import modelarts_xml, xml_elements
from fourpoint_worker.formats.values import FormatError, ImportedImage, Notes

POLYGON = "<polygon><x1>10</x1><y1>10</y1><x2>30</x2><y2>10</y2><x3>30</x3><y3>30</y3>{}</polygon>"
CORNER = ((10.5, 10.5), (30.5, 10.5), (30.5, 30.5))


def document(*objects: str, head: str = "<filename>one.jpg</filename>", size: str = "100,90") -> bytes:
    width, height = size.split(",")
    stated = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>" if width else ""
    return f"<?xml version='1.0'?>\n<annotation>{head}{stated}\n{''.join(objects)}</annotation>".encode()


def thing_of(shape: str, more: str = "", name: str = "<name>cup</name>") -> str:
    return f"<object>\n{name}{more}\n{shape}</object>\n"


def polygon(*vertices: tuple[int, int]) -> str:
    pairs = (f"<x{i}>{x}</x{i}><y{i}>{y}</y{i}>" for i, (x, y) in enumerate(vertices, 1))
    return f"<polygon>{''.join(pairs)}</polygon>"


def read(data: bytes, size: tuple[int, int] | None = None) -> ImportedImage:
    return modelarts_xml.read(BytesIO(data), size)


def refusal(data: bytes, size: tuple[int, int] | None = None) -> tuple[str, int | None]:
    with pytest.raises(FormatError) as caught:
        read(data, size)
    return caught.value.code, caught.value.line


def outline(data: bytes) -> Contour:
    (found,) = read(data).objects
    assert found.contour is not None
    return found.contour


def test_a_ring_that_is_not_closed_is_read() -> None:
    assert outline(document(thing_of(POLYGON.format("")))) == contour(Part(CORNER))


def test_a_closed_ring_is_opened() -> None:
    closed = POLYGON.format("<x4>10</x4><y4>10</y4>")
    assert outline(document(thing_of(closed))) == contour(Part(CORNER))


def test_decimals_keep_their_places() -> None:
    decimals = "<polygon><x1>1.25</x1><y1>1</y1><x2>9.00</x2><y2>1</y2><x3>9</x3><y3>7.5</y3></polygon>"
    assert outline(document(thing_of(decimals))).parts[0].outer == ((1.75, 1.5), (9.5, 1.5), (9.5, 8.0))


def test_the_order_is_that_of_the_x_and_each_y_is_found_by_its_number() -> None:
    mixed = "<polygon><x1>10</x1><x2>30</x2><x3>30</x3><y3>30</y3><y2>10</y2><y1>10</y1></polygon>"
    assert outline(document(thing_of(mixed))).parts[0].outer == CORNER


def test_missing_optional_elements_are_no_fault() -> None:
    assert read(document(thing_of(POLYGON.format("")), head="")).name is None


def test_an_annotation_without_anything_in_it_is_an_unlabeled_image() -> None:
    assert read(b"<annotation/>").objects == ()


def test_children_of_source_may_be_empty() -> None:
    head = "<source><database/><annotation></annotation><image/></source><filename>one.jpg</filename>"
    assert len(read(document(thing_of(POLYGON.format("")), head=head)).objects) == 1


@pytest.mark.parametrize("written", ["1", "true", "True", "yes"])
def test_hard_may_be_said_in_words(written: str) -> None:
    (found,) = read(document(thing_of(POLYGON.format(""), f"<hard>{written}</hard>"))).objects
    assert found.traits.difficult


def test_names_in_snake_case_and_with_hyphens_mean_the_same() -> None:
    for name in ("difficult_coefficient", "hard-coefficient"):
        (found,) = read(document(thing_of(POLYGON.format(""), f"<{name}>0.8</{name}>"))).objects
        assert found.traits.attributes == {"@modelarts:hard_coefficient": 0.8}


def test_everything_that_is_said_of_an_object_is_kept() -> None:
    more = (
        "<pose>left</pose><truncated>1</truncated><difficult>1</difficult><occluded>1</occluded>"
        "<mask_color>193,243,53</mask_color><confidence>0.8</confidence>"
        "<properties><property><key>k</key><value>v</value></property><产地>茶</产地></properties>"
    )
    (found,) = read(document(thing_of(POLYGON.format(""), more))).objects
    traits = found.traits
    assert (traits.truncated, traits.difficult, traits.occluded) == (True, True, True)
    assert (found.colour, found.score) == ("#c1f335", 0.8)
    assert traits.attributes == {"@modelarts:pose": "left", "k": "v", "产地": "茶"}


def test_boxes_are_whole_pixels_and_kept_as_boxes() -> None:
    box = "<bndbox><xmin>10</xmin><ymin>20</ymin><xmax>29</xmax><ymax>39</ymax></bndbox>"
    (found,) = read(document(thing_of(box))).objects
    assert (found.contour, found.box) == (None, Box(10, 20, 30, 40))


def test_a_circle_becomes_a_polygon_of_as_much_area() -> None:
    image = read(document(thing_of("<circle><cx>50</cx><cy>40</cy><r>10</r></circle>")))
    assert image.objects[0].contour is not None
    assert image.objects[0].contour.area == pytest.approx(314.159, abs=0.01)
    assert [note.code for note in image.notes] == ["circle_as_polygon"]


@pytest.mark.parametrize(
    "shape",
    [
        "<point><x>1</x><y>2</y></point>",
        "<point><x1>1</x1><y1>2</y1></point>",
        "<line><x1>1</x1><y1>2</y1><x2>3</x2><y2>4</y2></line>",
        "<dashed><x1>1</x1><y1>2</y1><x2>3</x2><y2>4</y2></dashed>",
        "<polyline><x1>1</x1><y1>2</y1><x2>3</x2><y2>4</y2></polyline>",
    ],
)
def test_shapes_without_an_area_are_left_out_and_said_so(shape: str) -> None:
    image = read(document(thing_of(shape), thing_of(POLYGON.format(""))))
    assert len(image.objects) == 1
    assert [(note.code, note.line) for note in image.notes] == [("shape_without_area", 5)]


def test_parts_of_an_object_become_objects() -> None:
    part = f"<part><name>handle</name>{POLYGON.format('')}</part>"
    image = read(document(f"<object><name>cup</name>{part}</object>"))
    assert [found.label for found in image.objects] == ["handle"]


@pytest.mark.parametrize("second", [POLYGON.format(""), "<circle><cx>50</cx><cy>40</cy><r>10</r></circle>"])
def test_several_shapes_of_one_object_are_refused_with_the_line(second: str) -> None:
    assert refusal(document(thing_of(POLYGON.format("") + "\n" + second))) == ("several_shapes", 6)


@pytest.mark.parametrize("field", ["folder", "filename", "segmented", "mask_source"])
def test_a_field_that_is_there_and_empty_is_refused(field: str) -> None:
    assert refusal(document(head=f"<{field}></{field}>"))[0] == "field_empty"


@pytest.mark.parametrize("field", ["pose", "truncated", "difficult", "occluded", "mask_color", "confidence"])
def test_a_field_of_an_object_that_is_there_and_empty_is_refused(field: str) -> None:
    assert refusal(document(thing_of(POLYGON.format(""), f"<{field}/>"))) == ("field_empty", 4)


@pytest.mark.parametrize("size", ["x,90", "100,-9", "1.5,90"])
def test_a_size_that_is_no_number_of_pixels_is_refused(size: str) -> None:
    assert refusal(document(size=size)) == ("number_invalid", 2)


def test_a_property_without_its_value_is_refused() -> None:
    more = "<properties><property><key>k</key></property></properties>"
    assert refusal(document(thing_of(POLYGON.format(""), more)))[0] == "field_empty"


@pytest.mark.parametrize(
    ("polygon", "code"),
    [
        ("<polygon><x1>1</x1><y1>1</y1><x2>5</x2></polygon>", "coordinate_missing"),
        ("<polygon><x1>1</x1><y1>1</y1><y2>5</y2></polygon>", "coordinate_missing"),
        ("<polygon><x1>1</x1><y1>1</y1><y1>5</y1></polygon>", "coordinate_repeated"),
        ("<polygon><x1>one</x1><y1>1</y1></polygon>", "number_invalid"),
        ("<polygon><x1>nan</x1><y1>1</y1></polygon>", "number_invalid"),
        ("<polygon><x1>1e999</x1><y1>1</y1></polygon>", "number_invalid"),
        ("<polygon><x1>1</x1><y1>1</y1><x2>5</x2><y2>5</y2></polygon>", "no_area"),
        (POLYGON.format("<x4>99999999</x4><y4>3</y4>"), "coordinate_absurd"),
    ],
)
def test_a_polygon_that_is_none_is_refused(polygon: str, code: str) -> None:
    assert refusal(document(thing_of(polygon)))[0] == code


def test_a_circle_without_radius_is_refused_with_its_line() -> None:
    circle = "<circle><cx>50</cx><cy>40</cy><r>0</r></circle>"
    assert refusal(document(thing_of(circle))) == ("coordinate_invalid", 5)


def test_objects_of_one_group_and_two_labels_stay_two() -> None:
    grouped = "<properties><property><key>@fourpoint:group</key><value>1</value></property></properties>"
    objects = (
        thing_of(POLYGON.format(""), more=grouped, name=f"<name>{name}</name>") for name in ("cup", "plate")
    )
    assert [each.label for each in read(document("".join(objects))).objects] == ["cup", "plate"]


def test_attributes_from_wherever_they_stand_are_too_large_together() -> None:
    pose = "<pose>" + "x" * 8192 + "</pose>"
    assert refusal(document(thing_of(POLYGON.format(""), more=pose)))[0] == "attributes_invalid"


def test_an_object_needs_a_label_and_a_shape() -> None:
    assert refusal(document(thing_of(POLYGON.format(""), name="")))[0] == "label_missing"
    assert refusal(document(thing_of(POLYGON.format(""), name="<name/>")))[0] == "field_empty"
    assert refusal(document(thing_of("")))[0] == "shape_missing"


def test_vertices_a_pixel_outside_come_onto_the_border() -> None:
    image = read(document(thing_of(POLYGON.format("<x4>-1</x4><y4>90</y4>"))))
    assert image.objects[0].contour is not None
    assert (0.0, 90.0) in image.objects[0].contour.parts[0].outer
    assert [note.code for note in image.notes] == ["clipped"]


def test_an_object_that_leaves_the_image_is_cut_at_the_border() -> None:
    wide = polygon((80, 10), (140, 10), (140, 40), (80, 40))
    image = read(document(thing_of(wide)))
    found = image.objects[0].contour
    assert found is not None
    assert found.bounding_box == Box(80.5, 10.5, 100, 40.5)
    assert [note.code for note in image.notes] == ["clipped"]


def test_a_ring_that_crosses_itself_keeps_its_area() -> None:
    bow = polygon((10, 10), (30, 30), (30, 10), (10, 30))
    image = read(document(thing_of(bow)))
    found = image.objects[0].contour
    assert found is not None
    assert (len(found.parts), found.area) == (2, 200)
    assert [note.code for note in image.notes] == ["repaired"]


def test_a_file_for_an_image_of_another_size_is_refused() -> None:
    assert refusal(document(), size=(200, 180)) == ("size_differs", 2)


def test_a_file_for_the_image_before_it_was_turned_upright_is_refused() -> None:
    assert refusal(document(), size=(90, 100)) == ("image_turned", 2)


def test_the_size_of_the_sample_counts_where_the_file_has_none() -> None:
    data = document(thing_of(POLYGON.format("")), size=",")
    assert refusal(data)[0] == "size_missing"
    assert len(read(data, (100, 90)).objects) == 1


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "xml_malformed"),
        (b"<annotation>", "xml_malformed"),
        (b"<annotation><filename>a</folder></annotation>", "xml_malformed"),
        (
            b"<?xml version='1.0' encoding='utf-8'?><annotation><folder>\xff</folder></annotation>",
            "xml_malformed",
        ),
        (b"<?xml version='1.0' encoding='klingon'?><annotation/>", "xml_encoding"),
        (b"<html/>", "wrong_root"),
        (b"<!DOCTYPE a [<!ENTITY b 'cc'>]><annotation><folder>&b;</folder></annotation>", "xml_dtd_refused"),
        (b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><annotation/>", "xml_dtd_refused"),
        (b"<annotation>" + b"<a>" * 100, "xml_too_deep"),
    ],
)
def test_hostile_and_broken_files_are_refused_with_a_line(data: bytes, code: str) -> None:
    assert refusal(data) == (code, 1)


def test_a_file_of_endless_elements_is_refused_before_it_fills_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_elements, "MAX_TREE_ELEMENTS", 30_000)

    class Endless:
        def __init__(self) -> None:
            self.sent = b"<annotation>"

        def read(self, _: int) -> bytes:
            chunk, self.sent = self.sent, b"<a/>" * 10_000
            return chunk

    with pytest.raises(FormatError, match="elements"):
        modelarts_xml.read(Endless())  # type: ignore[arg-type]


def test_the_written_file_has_the_documented_form() -> None:
    notes = Notes()
    data, painted = modelarts_xml.write(picture(thing(BLOCK, PLATE)), notes, "obs://b/out/one.png")
    assert data.decode().splitlines()[17:36] == [
        "        <truncated>0</truncated>",
        "        <difficult>0</difficult>",
        "        <mask_color>255,0,0</mask_color>",
        "        <occluded>0</occluded>",
        "        <polygon>",
        "            <x1>10</x1>",
        "            <y1>10</y1>",
        "            <x2>30</x2>",
        "            <y2>10</y2>",
        "            <x3>30</x3>",
        "            <y3>30</y3>",
        "            <x4>10</x4>",
        "            <y4>30</y4>",
        "            <x5>10</x5>",
        "            <y5>10</y5>",
        "        </polygon>",
        "    </object>",
        "</annotation>",
    ]
    assert painted == [(PLATE, ((10, 10), (30, 10), (30, 30), (10, 30)))]
    assert not notes.counts


def test_what_the_format_cannot_say_comes_back_from_its_properties() -> None:
    traits = {
        "attributes": {
            "text": "a & b",
            "number": 3,
            "nested": {"a": [1]},
            " spaced ": "x",
            "@modelarts:pose": "left",
        },
        "visible": False,
        "z_order": -2,
        "difficult": True,
    }
    shape = thing(PAIR, **traits)
    notes = Notes()
    data, _ = modelarts_xml.write(picture(shape), notes)
    (found,) = read(data).objects
    assert (found.traits, found.contour) == (shape.traits, PAIR)
    assert dict(notes.counts) == {"parts_split": 1}


def test_a_hole_comes_back_from_its_seam() -> None:
    notes = Notes()
    data, _ = modelarts_xml.write(picture(thing(RING)), notes)
    (found,) = read(data).objects
    assert found.contour is not None
    assert (found.contour.area, len(found.contour.parts[0].holes)) == (RING.area, 1)
    assert dict(notes.counts) == {"holes_bridged": 1}


def test_rounded_positions_are_counted() -> None:
    notes = Notes()
    modelarts_xml.write(picture(thing(FINE)), notes)
    assert dict(notes.counts) == {"coordinates_rounded": 1}


def test_an_object_thinner_than_a_pixel_is_widened_and_stays() -> None:
    notes = Notes()
    thin = contour(Part(((99.1, 10.1), (99.9, 10.1), (99.9, 50.0), (99.1, 50.0))))
    data, _ = modelarts_xml.write(picture(thing(thin)), notes)
    assert len(read(data).objects) == 1
    assert notes.counts["widened"] == 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 100), st.floats(0, 90), st.floats(0.2, 12)), min_size=3, max_size=12, unique=True
    )
)
def test_what_was_read_is_written_as_it_was(
    places: list[tuple[float, float, float]],
) -> None:
    shapes = [contour(Part(square(min(x, 100 - side), min(y, 90 - side), side))) for x, y, side in places]
    first, _ = modelarts_xml.write(picture(*map(thing, shapes)), Notes())
    image = read(first)
    found = [each.contour for each in image.objects if each.contour is not None]
    for each in found:
        validate_contour(each, 100, 90)
    assert len(found) == len(shapes)
    again, _ = modelarts_xml.write(picture(*map(thing, found)), Notes())
    assert again == first
