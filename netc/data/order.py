"""In which order the records of a source come: as they are, or shuffled anew in every epoch; without end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netc.data.codes import WRONG_PLACE
from netc.errors import Diagnostic, NetError

_MASK = 2**64 - 1


def whole_number(state: Mapping[str, object], name: str, otherwise: int | None = None) -> int:
    """A whole number of 64 bits in the state of a source. Raises NetError(DAT010): anything may stand in a file."""
    value = state.get(name, otherwise)
    if not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise NetError(
            Diagnostic(WRONG_PLACE, f'the place in the data has "{name}": {str(value)[:40]}, no whole number')
        )
    return value


class Ticket(NamedTuple):
    """One step of a walk: which record, and where in the walk: all random draws for it depend on the last three."""

    record: int
    epoch: int
    position: int
    seed: int


def philox(seed: int, stream: int, counter: tuple[int, int, int, int]) -> np.random.Philox:
    """A generator of random bits that is a function of its arguments only."""
    words = np.array([c & _MASK for c in counter], np.uint64)
    return np.random.Philox(key=np.array([seed & _MASK, stream & _MASK], np.uint64), counter=words)


def permutation(count: int, seed: int, stream: int, epoch: int = 0) -> NDArray[np.intp]:
    """A shuffled 0..count-1: a function of its arguments only, the same on every machine and with every numpy."""
    keys: NDArray[np.uint64] = philox(seed, stream, (0, 0, 0, epoch)).random_raw(count)
    return np.argsort(keys, kind="stable")


def random_skip(most: int, seed: int, stream: int) -> int:
    """How many records `rand_skip: most` leaves out at the start: 0 to most - 1."""
    return int(philox(seed, stream, (0, 1, 0, 0)).random_raw()) % most if most else 0


class Order:
    """An endless walk over `count` records. Epoch e of a shuffled walk is `permutation(count, seed, stream, e)`.

    of_epoch: another order instead: the record numbers of an epoch, from (seed, epoch). start: position to start at.
    chosen: tells the records of a source that are walked over from others; "" if they are all.
    dealt: of how many batches this walk takes which, counted from 0: (0, 1) takes all of them. A walk that is dealt
    passes over the others', so after each batch it stands where all have had theirs. even: whether every batch takes as
    many records; where it takes others for bad ones, a walk cannot know where the next batch begins.
    """

    def __init__(
        self,
        count: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        stream: int = 0,
        start: int = 0,
        of_epoch: Callable[[int, int], NDArray[np.intp]] | None = None,
        chosen: str = "",
    ) -> None:
        self.count = count
        self.shuffle = shuffle
        self.seed = seed
        self.stream = stream
        self.chosen = chosen
        self.epoch = 0
        self.position = start % count if count else 0
        self.dealt = (0, 1)
        self.even = True
        self._of_epoch = of_epoch or self._plain
        self._records = self._of_epoch(seed, 0)

    def take(self, size: int) -> NDArray[np.intp]:
        """The next `size` records' numbers; walks on into further epochs where one ends."""
        return np.concatenate([np.empty(0, np.intp), *(part for part, _, _ in self._parts(size))])

    def walk(self, size: int) -> list[Ticket]:
        """The next `size` steps; goes on into further epochs where one ends."""
        return [
            Ticket(record, epoch, first + i, self.seed)
            for part, epoch, first in self._parts(size)
            for i, record in enumerate(part.tolist())
        ]

    def _parts(self, size: int) -> Iterator[tuple[NDArray[np.intp], int, int]]:
        """The next `size` records' numbers, those of each epoch with its number and their first position in it."""
        turn, turns = self.dealt
        self._pass(size * turn)
        yield from self._next(size)
        self._pass(size * (turns - 1 - turn))

    def _pass(self, size: int) -> None:
        for _ in self._next(size):
            pass

    def _next(self, size: int) -> Iterator[tuple[NDArray[np.intp], int, int]]:
        while size > 0:
            epoch, first = self.epoch, self.position
            part = self._records[first : first + size]
            self.position += len(part)
            if self.position == self.count:
                self.epoch, self.position = self.epoch + 1, 0
                if self.shuffle:
                    self._records = self._of_epoch(self.seed, self.epoch)
            size -= len(part)
            yield part, epoch, first

    def state(self) -> dict[str, int | str]:
        state = {"epoch": self.epoch, "position": self.position, "seed": self.seed, "count": self.count}
        return {**state, **({"chosen": self.chosen} if self.chosen else {})}

    def restore(self, state: Mapping[str, object]) -> None:
        """Go on from a state; its seed comes with it. Raises NetError(DAT010) if the records are others."""
        count, epoch, position, seed = (
            whole_number(state, name, otherwise)
            for name, otherwise in (("count", self.count), ("epoch", None), ("position", None), ("seed", self.seed))
        )
        if count != self.count or not 0 <= position < max(self.count, 1):
            message = f"the snapshot was made with {count:,} records (at {position:,}), the source has {self.count:,}"
            raise NetError(Diagnostic(WRONG_PLACE, message, help=WRONG_PLACE.fix))
        if state.get("chosen", self.chosen) != self.chosen:
            message = f"the snapshot was made with {count:,} records of the source, and now others are chosen"
            raise NetError(Diagnostic(WRONG_PLACE, message, help=WRONG_PLACE.fix))
        self.epoch, self.position, self.seed = epoch, position, seed
        self._records = self._of_epoch(self.seed, self.epoch)

    def _plain(self, seed: int, epoch: int) -> NDArray[np.intp]:
        return permutation(self.count, seed, self.stream, epoch) if self.shuffle else np.arange(self.count)
