"""Curves as the bytes of a picture file: SVG, or PNG where Pillow is there."""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from typing import Any

from netc.errors import Code, Diagnostic, NetError, visible
from netc.report.curves import Chart, Dot, Line, Mark, page, svg

NO_PICTURE = Code(
    "CLI027",
    "curves cannot be written to such a file",
    why="Curves are written as SVG, which needs nothing else, and as PNG, which Pillow writes. The file's ending says "
    "which; it is another one, or Pillow is not installed.",
    example="netc plot digits -o curves.pdf",
    fix="Write `.svg` or `.png`; for the latter, `pip install Pillow`.",
)
_SHARP = 2
"""Pixels of the PNG for each of the page's, so that it is sharp on screens of today."""
_DASH = (10.0, 6.0)
"""Pixels of a dash, and of the gap after it."""


def picture(charts: Sequence[Chart], title: str, ending: str) -> bytes:
    """The charts as a file of the kind that its ending says (`.svg`, `.png`). Raises NetError(CLI027)."""
    if ending.lower() == ".png":
        return _png(charts, title)
    if ending.lower() not in ("", ".svg"):
        raise _refused(f"curves are written as .svg or .png, not as {visible(ending)}")
    return svg(charts, title).encode()


def _refused(message: str) -> NetError:
    return NetError(Diagnostic(NO_PICTURE, message, help=NO_PICTURE.fix))


def _png(charts: Sequence[Chart], title: str) -> bytes:
    try:
        image_of, draw_of, font_of = (import_module(f"PIL.{name}") for name in ("Image", "ImageDraw", "ImageFont"))
    except ImportError:
        raise _refused("Pillow, which writes PNG, is not installed") from None
    made = page(charts, title)
    image = image_of.new("RGB", (made.width * _SHARP, made.height * _SHARP), "#ffffff")
    draw, fonts = draw_of.Draw(image), dict[int, Any]()
    for mark in made.marks:
        _draw(draw, mark, lambda size: fonts.setdefault(size, font_of.load_default(size * _SHARP)))
    out = io.BytesIO()
    image.save(out, "png", optimize=True)
    return out.getvalue()


def _draw(draw: Any, mark: Mark, font: Any) -> None:
    if isinstance(mark, Line):
        places = [(x * _SHARP, y * _SHARP) for x, y in mark.places]
        for piece in _dashes(places) if mark.dashed else [places]:
            draw.line(piece, fill=mark.colour, width=round(mark.width * _SHARP), joint="curve")
    elif isinstance(mark, Dot):
        draw.circle((mark.x * _SHARP, mark.y * _SHARP), mark.radius * _SHARP, fill=mark.colour)
    else:
        anchor = {"start": "ls", "middle": "ms", "end": "rs"}[mark.anchor]
        place = (mark.x * _SHARP, mark.y * _SHARP)
        draw.text(place, visible(mark.text), fill=mark.colour, font=font(mark.size), anchor=anchor)


def _dashes(places: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """The dashes of a line through places; a dash goes on around corners."""
    pieces: list[list[tuple[float, float]]] = [[places[0]]] if places else []
    drawn, left = True, _DASH[0]
    for (x1, y1), (x2, y2) in pairwise(places):
        length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
        at = 0.0
        while length - at > left:
            at += left
            corner = (x1 + (x2 - x1) * at / length, y1 + (y2 - y1) * at / length)
            if drawn:
                pieces[-1].append(corner)
            else:
                pieces.append([corner])
            drawn = not drawn
            left = _DASH[0 if drawn else 1]
        left -= length - at
        if drawn:
            pieces[-1].append((x2, y2))
    return pieces
