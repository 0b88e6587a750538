"""Draws photos to learn from: `python -m tools.photos FOLDER` makes a folder for each of six classes of things.

Things of any size and place, turned a little, on grounds of any colour, as JPEG of unequal sizes. As with real things,
shape tells more than colour: each has a colour of its own, from which single ones are far away.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from PIL import Image, ImageDraw, ImageFilter

Places = list[tuple[float, float]]
SCALE = 3
"""Pixels drawn for each of the photo's: edges come out soft."""


def polygon(corners: int, inner: float = 1.0) -> Callable[[float], Places]:
    """Corners on a circle of radius 1, turned by so much; with `inner`, as many between them, at this radius."""

    def places(turn: float) -> Places:
        step = math.pi / corners
        radii = [1.0 if i % 2 == 0 else inner for i in range(2 * corners)]
        if inner == 1.0:
            return [(math.cos(turn + 2 * i * step), math.sin(turn + 2 * i * step)) for i in range(corners)]
        return [(r * math.cos(turn + i * step), r * math.sin(turn + i * step)) for i, r in enumerate(radii)]

    return places


def cross(turn: float) -> Places:
    """Two bars at right angles."""
    w = 0.32
    corner = [(w, 1.0), (w, w), (1.0, w)]  # of the bars, in one quarter; the others are this one, turned
    corners = [(x * i - y * j, x * j + y * i) for i, j in ((1, 0), (0, -1), (-1, 0), (0, 1)) for x, y in corner]
    c, s = math.cos(turn), math.sin(turn)
    return [(x * c - y * s, x * s + y * c) for x, y in corners]


def moon(turn: float) -> Places:
    """A crescent: a circle without another one."""
    outer = [(math.cos(a), math.sin(a)) for a in (0.9 + i * (2 * math.pi - 1.8) / 40 for i in range(41))]
    inside = [(0.62 * x + 0.24, 0.78 * y) for x, y in reversed(outer)]
    c, s = math.cos(turn), math.sin(turn)
    return [(x * c - y * s, x * s + y * c) for x, y in (*outer, *inside)]


SHAPES: dict[str, Callable[[float], Places]] = {
    "coin": polygon(48),
    "cross": cross,
    "moon": moon,
    "star": polygon(5, 0.42),
    "tent": polygon(3),
    "tile": polygon(4),
}


COLOURS = {
    "coin": (190, 140, 70),
    "cross": (70, 150, 90),
    "moon": (200, 200, 190),
    "star": (220, 190, 60),
    "tent": (190, 70, 60),
    "tile": (80, 100, 180),
}


def near(colour: Sequence[int], most: int, random: Random) -> tuple[int, ...]:
    """A colour like this one."""
    return tuple(min(255, max(0, v + random.randint(-most, most))) for v in colour)


def photo(name: str, random: Random) -> Image.Image:
    """One photo of a class: a thing on a ground of another colour, with strokes that are no thing, and noise."""
    width, height = random.randint(72, 110), random.randint(72, 110)
    colour = near(COLOURS[name], 60, random)
    ground = colour
    while sum(abs(a - b) for a, b in zip(colour, ground, strict=True)) < 120:
        ground = near((128, 128, 128), 127, random)
    image = Image.new("RGB", (width * SCALE, height * SCALE), ground)
    draw = ImageDraw.Draw(image)
    for _ in range(random.randint(2, 6)):
        ends = [random.uniform(0, side) for _ in range(2) for side in image.size]
        draw.line(ends, fill=near(ground, 30, random), width=random.randint(2, 14))
    radius = random.uniform(0.3, 0.42) * min(image.size)
    x, y = (random.uniform(radius, side - radius) for side in image.size)
    places = SHAPES[name](random.uniform(-0.4, 0.4))
    draw.polygon([(x + radius * px, y + radius * py) for px, py in places], fill=colour)
    noise = Image.frombytes("RGB", (width, height), random.randbytes(3 * width * height))
    return Image.blend(image.resize((width, height)).filter(ImageFilter.GaussianBlur(0.6)), noise, 0.1)


def write(folder: Path, count: int, seed: int = 0) -> None:
    """`count` photos, as many of each class as can be."""
    random = Random(seed)
    names = sorted(SHAPES)
    for i in range(count):
        path = folder / names[i % len(names)] / f"{i:04}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        photo(names[i % len(names)], random).save(path, quality=88)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=700, help="photos in all (default: 700)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    write(given.folder, given.count, given.seed)


if __name__ == "__main__":
    main()
