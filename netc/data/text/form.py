"""What the forms of text have in common: records by number, and how a batch of them fills the tops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from netc.layer import Array

Numbers = NDArray[np.intp]


class Form(Protocol):
    """The records of a text in one form. count: how many there are. labels: of each its class, if it has one."""

    count: int
    labels: Array | None

    def fill(self, records: Numbers, out: Sequence[Array]) -> None:
        """Fill as many tops as there are with the records of these numbers."""

    def content(self) -> Iterator[bytes]:
        """All of it, so that another text, or another vocabulary, is noticed."""


def as_bytes(*arrays: Array) -> Iterator[bytes]:
    """The bytes of arrays."""
    for array in arrays:
        yield np.ascontiguousarray(array).tobytes()
