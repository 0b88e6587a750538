"""One array for each blob name, as Caffe has it, over a net that gives each layer that works in place its own value.

A blob's values (its *versions*) are made in order of the file. A script sees the array of one of them, which stands for
Caffe's memory: whatever it holds before layers run is what they read, be it written by layers before them or by the
script, and afterwards it holds what was written last. The same goes for gradients, in the other direction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from netc.graph import AUTOMATIC, Graph, Value
from netc.layer import Array, Shape
from netc.run.executor import Executor

Read = Callable[[int], Array | None]


class Versions:
    """What a script sees of the blobs of a planned net.

    executor: what holds the arrays. still: values that no layer writes when it runs (inputs, constants of DummyData):
    they hold what the script, or a layer that works in place, left there. writers: for each value that has a gradient,
    the layers whose backward writes it.
    """

    def __init__(self, graph: Graph, executor: Executor, still: set[int], writers: Mapping[int, Sequence[int]]) -> None:
        self.graph, self.executor = graph, executor
        self.still, self.writers = still, writers
        self.of: dict[str, list[int]] = {}
        for each in graph.values:
            self.of.setdefault(each.name, []).append(each.index)
        several = [v for name, v in self.of.items() if len(v) > 1 and name != AUTOMATIC]
        self._chains = several
        graded = ([v for v in chain if v in writers] for chain in several if not self._is_loss(chain[-1]))
        self._graded_chains = [chain for chain in graded if len(chain) > 1]
        # a chain along which the shape changes has no array that could be all of its versions: the last one written is
        # seen. (BVLC aborts on such nets.)
        self._moving = {n: v[0] for n, v in self.of.items() if n != AUTOMATIC and len({self._shape(i) for i in v}) > 1}

    def shown(self, name: str) -> int:
        """The value whose array a script sees."""
        return self._moving.get(name, self.of[name][-1])

    def shown_gradient(self, name: str) -> int | None:
        """The value whose gradient a script sees, None if the blob gets none.

        It is the first version's, which is written last; but a loss made in place keeps its weight.
        """
        graded = [v for v in self.of[name] if v in self.writers]
        return None if not graded else graded[-1] if self._is_loss(graded[-1]) else graded[0]

    def show_first(self, name: str) -> None:
        """The script has given the blob, an input, another shape."""
        if name in self._moving:
            self._moving[name] = self.of[name][0]

    def follow(self, other: Versions) -> None:
        """Show the values that another net of the same graph shows."""
        self._moving |= {name: value for name, value in other._moving.items() if name in self._moving}

    def _shape(self, value: int) -> Shape | None:
        array = self.executor.value(value)
        return None if array is None else array.shape

    def _is_loss(self, value: int) -> bool:
        made = self.graph.values[value]
        return bool(self.graph.nodes[made.producer].loss_weights[made.top])

    # ------------------------------------------------------------ forward

    def before_forward(self, first: int, last: int) -> None:
        """What layers of this range read, and none of them makes, holds what the script sees."""
        for value, name in self._several():
            read = any(first <= layer <= last for layer, _ in value.consumers)
            if read and not self._made(value, first, last):
                self._copy(self.executor.value, self.shown(name), value.index)

    def after_forward(self, first: int, last: int) -> None:
        """The script sees what the range wrote last."""
        for chain in self._chains:
            written = [v for v in chain if self._made(self.graph.values[v], first, last)]
            if written:
                name = self.graph.values[chain[0]].name
                if name in self._moving:
                    self._moving[name] = written[-1]
                self._copy(self.executor.value, written[-1], self.shown(name))

    def _several(self) -> Iterator[tuple[Value, str]]:
        for chain in self._chains:
            for value in chain:
                yield self.graph.values[value], self.graph.values[value].name

    def _made(self, value: Value, first: int, last: int) -> bool:
        return first <= value.producer <= last and value.index not in self.still

    # ------------------------------------------------------------ backward

    def before_backward(self, first: int, last: int) -> None:
        """The gradient that the range starts from, and no layer of it makes, is what the script sees."""
        for chain in self._graded_chains:
            read = [v for v in chain if first <= self.graph.values[v].producer <= last]
            if read and not self._graded(read[-1], first, last):
                self._copy(self.executor.gradient, chain[0], read[-1])

    def after_backward(self, first: int, last: int) -> None:
        """The script sees the gradient that the range wrote last: that of the earliest version."""
        for chain in self._graded_chains:
            if written := [v for v in chain if self._graded(v, first, last)]:
                self._copy(self.executor.gradient, written[0], chain[0])

    def _graded(self, value: int, first: int, last: int) -> bool:
        return any(first <= layer <= last for layer in self.writers[value])

    @staticmethod
    def _copy(read: Read, source: int, target: int) -> None:
        """Between versions of one size; another size has no place for the values."""
        if source == target:
            return
        here, there = read(source), read(target)
        if here is not None and there is not None and here.size == there.size:
            there[...] = here.reshape(there.shape)
