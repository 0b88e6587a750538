"""What is made of parameters before a pass, and made again when they have changed."""

from __future__ import annotations

from collections.abc import Callable
from time import sleep

import numpy as np
from numpy.typing import NDArray

from netc.fast.machine.checksum import add_to
from netc.fast.machine.launch import Region, bind
from netc.fast.machine.walk import Team
from netc.layer import Array
from netc.run.turns import Holder, Only


class Packed:
    """Parameters as the kernels of a net without backward want them: made once for a net and all of its replicas.

    memory: the end of the arena of the first. made_of: the stamps of the parameters that it was made of.
    """

    def __init__(self, memory: NDArray[np.uint8]) -> None:
        self.memory = memory
        self.made_of: tuple[int, ...] | None = None
        self._packing = Only()

    def fill(self, stamps: tuple[int, ...], pack: Callable[[], None]) -> None:
        """Call `pack` if the parameters are others than those that the memory was made of; one thread at a time."""
        if self.made_of == stamps:
            return
        me = Holder()
        while self.made_of != stamps:
            try:
                other = self._packing.take(me)
                if other is None or other.thread == me.thread:  # its own, if an interrupt ended the packing
                    self.made_of = None
                    pack()
                    self.made_of = stamps
                else:
                    sleep(1e-4)
            finally:
                self._packing.drop(me)


class Checksum:
    """Of arrays, by a team of threads: the same for any number of them."""

    def __init__(self, team: Team) -> None:
        self._team = team
        self._total = np.zeros(1, np.int64)

    def __call__(self, array: Array) -> int:
        places = self._total.ctypes.data, array.ctypes.data
        table = bind([add_to(Region(0, 0, 8), Region(1, 0, array.nbytes), 0)], lambda i: places[i])
        self._total[:] = 0
        self._team.run(table)
        return int(self._total[0])
