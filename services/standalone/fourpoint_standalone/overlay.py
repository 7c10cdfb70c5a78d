"""Outlines drawn over their photograph, for people to look at."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from fourpoint_client.models import Annotation

# Photographs of a few hundred pixels are enlarged, so that a line is thinner than what it outlines.
SCALE = 2
_FILL_ALPHA = 80
_LINE_WIDTH = 3
_DOT_RADIUS = 6
_FONT_SIZE = 22
_BLACK, _WHITE = (0, 0, 0, 255), (255, 255, 255, 255)

Xy = tuple[float, float]
Colour = tuple[int, int, int]


def draw_overlay(image: bytes, annotations: Sequence[Annotation], target: Path) -> None:
    """Write `image` as a PNG with its annotations: outline, label, and the clicks it was drawn from.

    annotations: as the API lists them; their coordinates are continuous pixels of the upright image.
    """
    photograph = Image.open(io.BytesIO(image)).convert("RGBA")
    canvas = photograph.resize((photograph.width * SCALE, photograph.height * SCALE), Image.Resampling.LANCZOS)
    for annotation in annotations:
        canvas = Image.alpha_composite(canvas, _tint(annotation, canvas.size))
    pen = ImageDraw.Draw(canvas)
    for annotation in annotations:
        _draw_outline(pen, annotation)
    # Clicks and labels come last: neighbours must not paint over them.
    for annotation in annotations:
        _draw_clicks(pen, annotation)
        _draw_label(pen, annotation)
    canvas.convert("RGB").save(target)


def _tint(annotation: Annotation, size: tuple[int, int]) -> Image.Image:
    inside = Image.new("L", size)
    pen = ImageDraw.Draw(inside)
    for part in annotation["contour"]["parts"]:
        pen.polygon(_scaled(part["outer"]), fill=_FILL_ALPHA)
        for hole in part["holes"]:
            pen.polygon(_scaled(hole), fill=0)
    layer = Image.new("RGBA", size, (*_colour(annotation), 255))
    layer.putalpha(inside)
    return layer


def _draw_outline(pen: ImageDraw.ImageDraw, annotation: Annotation) -> None:
    for part in annotation["contour"]["parts"]:
        for ring in (part["outer"], *part["holes"]):
            line = _scaled([*ring, ring[0]])
            pen.line(line, fill=(*_colour(annotation), 255), width=_LINE_WIDTH, joint="curve")


def _draw_clicks(pen: ImageDraw.ImageDraw, annotation: Annotation) -> None:
    points = (annotation["prompt"] or {}).get("points", {})
    for x, y in _scaled(list(points.values())):
        box = (x - _DOT_RADIUS, y - _DOT_RADIUS, x + _DOT_RADIUS, y + _DOT_RADIUS)
        pen.ellipse(box, fill=_WHITE, outline=_BLACK, width=2)


def _draw_label(pen: ImageDraw.ImageDraw, annotation: Annotation) -> None:
    x0, y0, x1, y1 = annotation["bbox"]
    middle = ((x0 + x1) / 2 * SCALE, (y0 + y1) / 2 * SCALE)
    font = ImageFont.load_default(_FONT_SIZE)
    text = annotation["label"]["name"]
    pen.text(middle, text, _WHITE, font, anchor="mm", stroke_width=3, stroke_fill=_BLACK)


def _scaled(ring: Sequence[Xy]) -> list[Xy]:
    return [(x * SCALE, y * SCALE) for x, y in ring]


def _colour(annotation: Annotation) -> Colour:
    red, green, blue = bytes.fromhex(annotation["label"]["colour"].removeprefix("#"))
    return (red, green, blue)
