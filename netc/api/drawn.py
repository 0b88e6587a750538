"""Predictions as pictures: boxes with their names, classes of pixels as colours, maps that are images.

What is drawn follows from what the outputs are (`netc.api.outputs`). Boxes and classes are drawn on the picture that
the net has seen: its input, with the preparation of the data undone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.api.outputs import Output, class_map
from netc.api.predict import Prediction
from netc.data.extras import pillow
from netc.layer import Array

Pixels = NDArray[np.uint8]  # height x width x 3, red first
SHORTEST = 256
"""Smaller pictures are enlarged, each pixel to a square, until their shorter side has so many."""
MOST_CHANNELS = 3
_SHARES = ("xmin", "ymin", "xmax", "ymax")
_PIXELS = ("x1", "y1", "x2", "y2")
_OPACITY = 0.6


def drawn(prediction: Prediction, names: Sequence[str] = ()) -> Iterator[tuple[str, Pixels]]:
    """The outputs that can be drawn, by name, as pictures. names: what classes are called.

    Rows of boxes and classes of pixels need the picture that the net has seen (`Prediction.picture`); maps of one or
    three channels that tell no classes are pictures themselves. Raises NetError(DAT004) without Pillow.
    """
    for name, array in prediction.outputs.items():
        output = prediction.kinds[name]
        classes = class_map(output, array)
        if classes is not None:
            yield name, _coloured(classes, prediction.picture)
        elif output.kind == "map" and array.ndim == 3 and len(array) in (1, MOST_CHANNELS):
            yield name, enlarged(_image(array))
        elif output.kind == "rows" and prediction.picture is not None and _corners(output):
            yield name, _with_boxes(prediction.picture, output, array, names)


def enlarged(picture: Pixels, shortest: int = SHORTEST) -> Pixels:
    """A picture with each pixel as a square, so that its shorter side has at least so many pixels."""
    times = max(1, -(-shortest // max(1, min(picture.shape[:2]))))
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def colour(number: int) -> tuple[int, int, int]:
    """The colour of a class, as Pascal VOC has it: 0 is black, and near numbers are far apart."""
    red = green = blue = 0
    for bit in range(8):
        red |= (number >> (3 * bit) & 1) << (7 - bit)
        green |= (number >> (3 * bit + 1) & 1) << (7 - bit)
        blue |= (number >> (3 * bit + 2) & 1) << (7 - bit)
    return red, green, blue


def _image(array: Array) -> Pixels:
    """A map (channels x height x width; three channels are blue, green, red) as pixels.

    Values of 0..1 and of -1..1 (what Sigmoid and TanH give) keep their place; others go from their least to their most.
    """
    low, high = float(array.min()), float(array.max())
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif low >= -1 and high <= 1:
        low, high = -1.0, 1.0
    shares = (array.astype(np.float64) - low) / (high - low or 1.0)
    pixels = np.nan_to_num(shares * 255).round().clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(pixels, (3, *pixels.shape[1:]))[::-1].transpose(1, 2, 0))


def _coloured(classes: Array, picture: Pixels | None) -> Pixels:
    """The colour of each position's class, over the picture if there is one."""
    table = np.array([colour(number) for number in range(256)], np.uint8)
    colours: Pixels = table[np.clip(classes, 0, None).astype(np.int64) % 256]
    if picture is None:
        return enlarged(colours)
    below = enlarged(picture)
    over = _stretched(colours, below.shape[0], below.shape[1])
    mixed: Pixels = (_OPACITY * over + (1 - _OPACITY) * below).round().astype(np.uint8)
    return mixed


def _stretched(pixels: Pixels, height: int, width: int) -> Pixels:
    """The nearest pixel at each place of a picture of this size."""
    rows = np.arange(height) * pixels.shape[0] // height
    columns = np.arange(width) * pixels.shape[1] // width
    stretched: Pixels = pixels[rows][:, columns]
    return stretched


def _corners(output: Output) -> tuple[str, ...]:
    """The columns of a box's corners, or () if the rows are none."""
    return next((named for named in (_SHARES, _PIXELS) if set(named) <= set(output.columns)), ())


def _with_boxes(picture: Pixels, output: Output, rows: Array, names: Sequence[str]) -> Pixels:
    """The picture with the boxes, the surest on top."""
    below = enlarged(picture)
    corners = _corners(output)
    scale = np.array(below.shape[1::-1] * 2, np.float64)
    if corners == _PIXELS:
        scale /= np.array(picture.shape[1::-1] * 2)
    places = [output.columns.index(name) for name in corners]
    image = pillow().fromarray(below)
    pen = pillow("PIL.ImageDraw").Draw(image)
    if "confidence" in output.columns:
        rows = rows[np.argsort(rows[:, output.columns.index("confidence")], kind="stable")]
    boxes = [_box(np.nan_to_num(row[places] * scale), *_said(output, row, names)) for row in rows]
    for box in boxes:
        pen.rectangle(box.corners, outline=box.ink, width=2)
    labels = list(_labels(pen, boxes[::-1], image.size))
    for place, box in labels[::-1]:
        pen.rectangle(place, fill=box.ink)
        dark = sum(box.ink) < 380
        pen.text((place[0] + 2, place[1] + 1), box.text, fill=(255, 255, 255) if dark else (0, 0, 0))
    return np.asarray(image, np.uint8)


def _said(output: Output, row: Array, names: Sequence[str]) -> tuple[int, str]:
    """A row's class, and what is written at its box."""
    if "class" not in output.columns:
        return 1, ""
    number = int(row[output.columns.index("class")])
    name = names[number] if 0 <= number < len(names) else str(number)
    sure = f" {row[output.columns.index('confidence')]:.2f}" if "confidence" in output.columns else ""
    return number, f"{name}{sure}"


Corners = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels."""


@dataclass(frozen=True, slots=True)
class _Box:
    """A frame, its colour, and what is written at it."""

    corners: Corners
    ink: tuple[int, int, int]
    text: str


def _box(corners: Array, number: int, text: str) -> _Box:
    x1, y1, x2, y2 = (float(v) for v in corners)
    return _Box((min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)), colour(max(number, 1) % 256), text)


def _labels(pen: Any, boxes: Sequence[_Box], size: tuple[int, int]) -> Iterator[tuple[Corners, _Box]]:
    """Where the text of each box stands, with its ground: at a corner of the box, over as little as may be of the texts
    of those before it. size: of the picture, width and height."""
    taken: list[Corners] = []
    for box in boxes:
        if not box.text:
            continue
        width, height = (float(end) + 1 for end in pen.textbbox((2, 1), box.text)[2:])
        places = [_inside(x, y, width, height, size) for x, y in _corners_of(box.corners, width, height)]
        best = min(places, key=lambda place: sum(_overlap(place, other) for other in taken))
        taken.append(best)
        yield best, box


def _corners_of(box: Corners, width: float, height: float) -> Iterator[tuple[float, float]]:
    """Where a text of this size may begin: within the box and beside it, at each of its corners."""
    left, top, right, bottom = box
    for x in (left, right - width):
        yield from ((x, y) for y in (top, top - height, bottom, bottom - height))


def _inside(x: float, y: float, width: float, height: float, size: tuple[int, int]) -> Corners:
    """That place, or the nearest that is within the picture."""
    x, y = max(0.0, min(x, size[0] - 1 - width)), max(0.0, min(y, size[1] - 1 - height))
    return x, y, x + width, y + height


def _overlap(one: Corners, other: Corners) -> float:
    """The area that two places share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)
