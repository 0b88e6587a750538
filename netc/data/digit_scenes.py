"""Scenes of handwritten digits: made when they are read, each a function of its split and its number alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.data.choosing import ordered
from netc.data.digits import split
from netc.data.draws import NOISE, Draws
from netc.data.order import Ticket
from netc.data.resize import resize
from netc.data.source import Opening, SourceType
from netc.data.transform import Transform
from netc.layer import Array, Phase, Shape
from netc.schema.record import Record

INK = 64.0  # of 255: from here on a pixel belongs to the digit
PLACES = 1  # purpose of the draws of places (`Draws.uniforms`)
TRIES = 8  # places that are tried for a digit before it is left out
STREAMS = {"train": 0x5CE1, "test": 0x5CE2}


@dataclass(frozen=True, slots=True)
class Placed:
    """A digit in a scene: its class (the digit + 1), where its pixels go, and its pixels (0..255)."""

    label: int
    top: int
    left: int
    pixels: NDArray[np.float32]

    @property
    def window(self) -> tuple[slice, slice]:
        height, width = self.pixels.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    def box(self, height: int, width: int) -> tuple[float, float, float, float]:
        """Corners of its ink, as shares of the image."""
        rows, columns = (np.flatnonzero((self.pixels >= INK).any(axis)) for axis in (1, 0))
        left, right = self.left + columns[0], self.left + columns[-1] + 1
        top, bottom = self.top + rows[0], self.top + rows[-1] + 1
        return left / width, top / height, right / width, bottom / height


class DigitScenes:
    """Batches of scenes and of what is in them."""

    def __init__(self, opening: Opening) -> None:
        self._p: Any = opening.record.digit_scenes_param
        self._shapes = _shapes(opening.record, opening.phase)
        self._images, self._labels = split(self._p.split)
        self._transform = Transform(opening, self._shapes[0][1:])
        self.order = ordered(opening, self._p, int(self._p.scenes), shuffle=self._p.shuffle)

    def shapes(self) -> tuple[Shape, ...]:
        return self._shapes

    def next(self, out: Sequence[Array]) -> None:
        boxes = len(out) > 1 and self._p.answer == "BOXES"
        if boxes:
            rows = out[1].reshape(-1, 8)
            rows[...] = -1
        at = 0
        for item, step in enumerate(self.order.walk(len(out[0]))):
            draws = Draws(STREAMS[self._p.split], Ticket(step.record, 0, step.record, 0))
            scene = list(self._placed(draws))
            self._transform(self._painted(scene, draws), out[0][item], step)
            if boxes:
                for number, one in enumerate(scene):
                    rows[at] = (item, one.label, number, *one.box(*out[0].shape[2:]), 0)
                    at += 1
            elif len(out) > 1:
                out[1][item] = 0
                for one in scene:
                    out[1][item, 0][one.window][one.pixels >= INK] = one.label

    def _placed(self, draws: Draws) -> Iterator[Placed]:
        """The digits of a scene; one that finds no free place is left out, but never the first."""
        p, taken = self._p, np.zeros((self._p.height, self._p.width), np.bool_)
        u = iter(draws.uniforms(PLACES, 1 + p.digits * (2 + 2 * TRIES)))
        for _ in range(1 + int(next(u) * p.digits)):
            index = int(next(u) * len(self._labels))
            side = p.smallest + int(next(u) * (p.largest - p.smallest + 1))
            corners = [
                (int(next(u) * (p.height - side + 1)), int(next(u) * (p.width - side + 1))) for _ in range(TRIES)
            ]
            for top, left in corners:
                window = taken[top : top + side, left : left + side]
                if not window.any():
                    window[...] = True
                    pixels = resize(self._images[index, 0][:, :, None], side, side)[:, :, 0] * np.float32(255 / 16)
                    yield Placed(int(self._labels[index]) + 1, top, left, pixels)
                    break

    def _painted(self, scene: list[Placed], draws: Draws) -> NDArray[np.float32]:
        image = np.zeros((1, self._p.height, self._p.width), np.float32)
        for one in scene:
            image[0][one.window] = one.pixels
        if self._p.noise:
            image += self._p.noise * draws.normal(NOISE, image.size).reshape(image.shape)
        return np.clip(image, 0, 255)

    def state(self) -> dict[str, Any]:
        return self.order.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        self.order.restore(state)


def _shapes(record: Record, phase: Phase) -> tuple[Shape, ...]:
    p = record.digit_scenes_param
    scenes = (int(p.batch_size), 1, int(p.height), int(p.width))
    answers = scenes if p.answer == "CLASSES" else (1, 1, int(p.batch_size * p.digits), 8)
    return (scenes, answers)[: len(record.top)]


DIGIT_SCENES = SourceType("DigitScenes", DigitScenes, _shapes)
