"""Scenes of handwritten digits, drawn from the digits that come with netc."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.data.choosing import ordered
from netc.data.digits import split
from netc.data.draws import Draws
from netc.data.order import Ticket
from netc.data.resize import resize
from netc.data.source import Opening, SourceType
from netc.layer import Array, Phase, Shape
from netc.schema.record import Record

COUNTS = {"train": 2000, "test": 500}
INK = 0.35
"""From here on a pixel belongs to a digit."""
_HOW_MANY, _DIGITS, _NOISE = 0, 1, 2  # numbers of draws
_KEPT = 1 << 26  # bytes of scenes that are not drawn again
_TRIES = 20  # for a place that no other digit has


@dataclass(frozen=True, slots=True)
class Ground:
    """What scenes are like: fields of the layer."""

    split: str
    height: int
    width: int
    least: int
    most: int
    smallest: int
    largest: int
    noise: float


@dataclass(frozen=True, slots=True)
class Scene:
    """pixels: height x width, 0..1. boxes: N x 5, class and corners in pixels. marks: the class of each pixel."""

    pixels: NDArray[np.float32]
    boxes: NDArray[np.float32]
    marks: NDArray[np.float32]


def scene(ground: Ground, number: int) -> Scene:
    """Scene `number` of a split: a function of its arguments only."""
    images, labels = split(ground.split)
    draws = Draws(0, Ticket(number, 0, number, {"train": 1, "test": 2}[ground.split]))
    shape = (ground.height, ground.width)
    ink, marks = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    taken = np.zeros(shape, np.bool_)
    boxes = []
    words = iter(draws.words(_DIGITS, ground.most * (2 + 2 * _TRIES)).tolist())
    for _ in range(ground.least + draws.below(_HOW_MANY, ground.most - ground.least + 1)):
        which, side = next(words) % len(labels), ground.smallest + next(words) % (ground.largest - ground.smallest + 1)
        for _ in range(_TRIES):
            row, column = next(words) % (ground.height - side + 1), next(words) % (ground.width - side + 1)
            place = (slice(row, row + side), slice(column, column + side))
            if not taken[place].any():
                break
        else:
            continue
        taken[place] = True
        digit = np.clip(resize(images[which].transpose(1, 2, 0) / 16, side, side)[:, :, 0], 0, 1)
        ink[place] = digit
        drawn = digit > INK
        marks[place][drawn] = labels[which] + 1
        rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
        corners = (column + columns[0], row + rows[0], column + columns[-1] + 1, row + rows[-1] + 1)
        boxes.append((labels[which] + 1, *corners))
    noise = ground.noise * draws.normal(_NOISE, ink.size).reshape(shape)
    pixels = np.clip(ink + noise, 0, 1).astype(np.float32)
    return Scene(pixels, np.array(boxes, np.float32).reshape(-1, 5), marks)


class Scenes:
    """Batches of the scenes of one split."""

    def __init__(self, opening: Opening) -> None:
        p = opening.record.scenes_param
        self._ground = _ground(p)
        kept = max(1, _KEPT // (8 * self._ground.height * self._ground.width))
        self._scene = lru_cache(kept)(partial(scene, self._ground))
        self._boxes, self._most = p.truth == "BOXES", int(p.most)
        self._shapes = _shapes(opening.record, opening.phase)
        self.order = ordered(opening, p, COUNTS[p.split], shuffle=p.shuffle, stream=opening.stream)

    def shapes(self) -> tuple[Shape, ...]:
        return self._shapes

    def next(self, out: Sequence[Array]) -> None:
        scenes = [self._scene(int(record)) for record in self.order.take(len(out[0]))]
        for row, each in zip(out[0], scenes, strict=True):
            row[0] = each.pixels
        if len(out) < 2:
            return
        if self._boxes:
            out[1].fill(-1)
            found = np.concatenate([self._rows(item, each.boxes) for item, each in enumerate(scenes)])
            out[1].reshape(-1, 8)[: len(found)] = found
        else:
            for row, each in zip(out[1], scenes, strict=True):
                row[0] = each.marks

    def _rows(self, item: int, boxes: Array) -> Array:
        """Boxes as rows of item, class, number, corners as shares of the image, difficult."""
        rows = np.zeros((len(boxes), 8), np.float32)
        rows[:, 0], rows[:, 1], rows[:, 2] = item, boxes[:, 0], np.arange(len(boxes))
        rows[:, 3:7] = boxes[:, 1:] / np.array([self._ground.width, self._ground.height] * 2, np.float32)
        return rows

    def state(self) -> dict[str, Any]:
        return self.order.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        self.order.restore(state)


def _ground(p: Any) -> Ground:
    height, width, least, most, smallest, largest = map(
        int, (p.height, p.width, p.least, p.most, p.smallest, p.largest)
    )
    return Ground(p.split, height, width, least, most, smallest, largest, float(p.noise))


def _shapes(record: Record, phase: Phase) -> tuple[Shape, ...]:
    p = record.scenes_param
    image = (int(p.batch_size), 1, int(p.height), int(p.width))
    truth = image if p.truth == "PIXELS" else (1, 1, int(p.batch_size) * int(p.most), 8)
    return (image, truth)[: len(record.top)]


def _classes(record: Record) -> tuple[str, ...]:
    return ("ground", *map(str, range(10)))


SCENES = SourceType("Scenes", Scenes, _shapes, _classes)
