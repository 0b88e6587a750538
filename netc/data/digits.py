"""1,797 handwritten digits: they come with netc, so everybody has them.

`digits.npz` holds UCI's Optical Recognition of Handwritten Digits (its test set; E. Alpaydin, C. Kaynak 1998, CC BY
4.0), as scikit-learn has it: `images`, 1797 x 64 pixels of 0..16, and `labels`, 0..9.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.data.choosing import ordered
from netc.data.order import permutation
from netc.data.source import Opening, SourceType
from netc.data.transform import Transform, transformed
from netc.data.transform_fields import PIXELS
from netc.layer import Array, Phase, Shape
from netc.schema.record import Record

SIDE = 8
TEST_IMAGES = 400
SPLITS = ("train", "test", "all")


class Digits:
    """Batches of one split; `shuffle` gives every epoch another order."""

    def __init__(self, opening: Opening) -> None:
        p = opening.record.digits_param
        self._shapes = _shapes(opening.record, opening.phase)
        self._scale = p.scale
        self._images, self._labels = split(p.split)
        changed = opening.record.has("transform_param")
        self._transform = Transform(opening, self._images.shape[1:]) if changed else None
        self.order = ordered(opening, p, len(self._labels), lambda: self._labels, shuffle=p.shuffle)

    def shapes(self) -> tuple[Shape, ...]:
        return self._shapes

    def next(self, out: Sequence[Array]) -> None:
        steps = self.order.walk(len(out[0]))
        records = [step.record for step in steps]
        if self._transform is None:
            np.multiply(self._images[records], self._scale, out=out[0])
        else:
            for step, row in zip(steps, out[0], strict=True):
                self._transform(self._images[step.record] * self._scale, row, step)
        if len(out) > 1:
            out[1][...] = self._labels[records]

    def state(self) -> dict[str, Any]:
        return self.order.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        self.order.restore(state)


def _shapes(record: Record, phase: Phase) -> tuple[Shape, ...]:
    size = int(record.digits_param.batch_size)
    return ((size, *transformed(record, (1, SIDE, SIDE))), (size,))[: len(record.top)]


@cache
def split(name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Images (N x 1 x 8 x 8, pixels 0..16) and labels (0..9) of `train`, `test` or `all`.

    The images are in one shuffled order, the same for everybody; the first 400 are the test split.
    """
    with np.load(Path(__file__).with_suffix(".npz")) as digits:
        pixels, labels = digits["images"], digits["labels"]
    order = permutation(len(labels), seed=0, stream=0)
    part = {"test": order[:TEST_IMAGES], "train": order[TEST_IMAGES:], "all": order}[name]
    return pixels[part].reshape(-1, 1, 8, 8).astype(np.float32), labels[part].astype(np.float32)


def _probe(record: Record, phase: Phase) -> tuple[Shape, ...] | None:
    return _shapes(record, phase) if record.digits_param.split in SPLITS else None  # the layer says what is wrong


DIGITS = SourceType("Digits", Digits, _probe, transform=PIXELS)
