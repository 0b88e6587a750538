"""The values of a parameter blob, and whether they may have changed: writers are known, nobody looks for them.

Who computes with something that is made of parameters (weights packed for a kernel) must know when they change. Whoever
writes is known: netc's own code says so (`touch`), and everybody else writes through an array that was *lent*. Such an
array, and whatever is made of it (views, `memoryview`, DLPack, what a library keeps), keeps a lease alive, since numpy
gives every view its owner. While a lease lives, and once after it has ended, the values are looked at: then, and only
then, a checksum tells whether they are others. An address that was taken as a number keeps nothing alive: who writes
there says so himself (`Net.touch`).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from netc.layer import Array

Digest = Callable[[Array], int]
_numbers = count(1)


class Lease:
    """The owner of the memory of an array that was lent: it is there as long as anything made of that array is."""

    __slots__ = ("__array_interface__", "__weakref__", "array")

    def __init__(self, array: Array) -> None:
        self.array = array
        self.__array_interface__: Any = array.__array_interface__


class Values:
    """One blob's. Nets that share the blob share this object.

    It needs no lock: each of its methods changes it by single steps that threads, and interrupts, cannot tear.
    """

    last = 0  # another number whenever somebody is lent an array of any blob, or says that he has written there

    def __init__(self, array: Array) -> None:
        self.array = array
        self._leases: dict[int, weakref.ref[Lease]] = {}
        self._lent: weakref.ref[Array] | None = None
        self._asked = self._looked = 0  # when an array was lent or written to last; what the stamp takes account of
        self._known: tuple[int | None, int] = None, next(_numbers)  # a checksum, and the stamp that it has

    def lend(self) -> Array:
        """An array that may be written, for as long as anybody holds it: the same one to all who hold it."""
        array = self._lent() if self._lent is not None else None
        if array is None:
            lease, number = Lease(self.array), next(_numbers)
            self._leases[number] = weakref.ref(lease, partial(self._leases.pop, number))
            array = np.asarray(lease)
            self._lent = weakref.ref(array)
        self.touch()
        return array

    def touch(self) -> None:
        """Somebody has written, or may write from now on."""
        self._asked = Values.last = next(_numbers)

    @property
    def is_lent(self) -> bool:
        """Whether somebody holds an array that was lent, or something made of it."""
        return bool(self._leases)

    @property
    def is_settled(self) -> bool:
        """Whether the stamp holds until an array is lent, or somebody says that he has written."""
        return self._looked == self._asked

    def stamp(self, digest: Digest) -> int:
        """A number that is the same as before only if the values are. digest: the checksum of an array."""
        asked, lent = self._asked, self.is_lent
        before, stamp = self._known
        if self._looked == asked:
            return stamp
        found = digest(self.array)
        if found != before:
            stamp = next(_numbers)
            self._known = found, stamp
        if not lent:
            self._looked = asked
        return stamp


class Watch:
    """Whether any of several blobs has changed."""

    def __init__(self, blobs: Sequence[Values], digest: Digest) -> None:
        self.blobs, self._digest = blobs, digest
        self._last = -1
        self._open: Sequence[int] = ()
        self._stamps = [0] * len(blobs)

    def stamps(self) -> tuple[int, ...]:
        """A number for each blob, which is the same as before only if its values are."""
        last = Values.last
        looked_at = self._open if last == self._last else range(len(self.blobs))
        for i in looked_at:
            self._stamps[i] = self.blobs[i].stamp(self._digest)
        self._open = [i for i in looked_at if not self.blobs[i].is_settled]
        self._last = last
        return tuple(self._stamps)
