"""Cells against bytes: what boxes have in common, and what they cover together."""

from __future__ import annotations

from itertools import combinations, product
from random import Random

import numpy as np
import pytest

from netc.fast.program.cells import Box, Cells


def touched(one: Box) -> set[int]:
    """The bytes of a box, one by one."""
    offset, width, dims = one
    starts = (offset + sum(at) for at in product(*([i * step for i in range(count)] for count, step in dims)))
    return {start + i for start in starts for i in range(width)}


def random_boxes(random: Random) -> tuple[int, list[Box]]:
    """Boxes as kernels touch blobs: parts of planes, of lines and of pixels, alike for images and planes or not."""
    unit, line, lines = random.choice((1, 4, 6)), random.randint(1, 4), random.randint(1, 3)
    planes, images = random.choice((1, 2, 3)), random.choice((1, 2, 4))
    row, plane = unit * line, unit * line * lines
    image = plane * planes
    found: list[Box] = [(0, image * images, ())]
    for _ in range(random.randint(1, 5)):
        x, y = random.randrange(line), random.randrange(lines)
        width, height = random.randint(1, line - x), random.randint(1, lines - y)
        offset, dims = y * row + x * unit, [(height, row)]
        kind = random.randrange(5)
        if kind == 0:  # every plane of every image, in one dimension
            dims.append((planes * images, plane))
        elif kind == 1:  # or in two
            dims += [(planes, plane), (images, image)]
        elif kind == 2:  # some planes
            first = random.randrange(planes)
            dims += [(random.randint(1, planes - first), plane), (images, image)]
            offset += first * plane
        elif kind == 3:  # one image, from its last line back
            offset += random.randrange(images) * image
            offset, dims = offset + (height - 1) * row, [(height, -row)]
        else:
            dims = []
        random.shuffle(dims)
        found.append((offset, width * unit, tuple(dims)))
    return image * images, found


@pytest.mark.parametrize("seed", range(400))
def test_cells_tell_what_bytes_tell(seed: int) -> None:
    nbytes, boxes = random_boxes(Random(seed))
    cells = Cells(nbytes, boxes)
    for one, other in combinations(boxes, 2):
        marks = np.zeros(cells.count, np.bool_)
        cells.view(marks, one)[...] = True
        assert cells.view(marks, other).any() == bool(touched(one) & touched(other)), (one, other)
        assert cells.view(marks, other).all() == (touched(other) <= touched(one)), (one, other)
        everything = set[int]().union(*map(touched, boxes))
        assert not cells.is_all(one) or touched(one) == everything


def test_images_and_planes_that_are_alike_cost_nothing() -> None:
    blob = (64 * 11, 64 * 8, ((64, 64 * 1000), (10, 64 * 100), (8, 64 * 10)))
    assert Cells(64 * 64000, [blob, (0, 64 * 64000, ())]).count == 100  # of one plane
    assert Cells(64 * 64000, [blob, (0, 64 * 32000, ())]).count > 1000  # half of the images are not alike
