"""What is in a net's memory: which parts of a pass can run, and whether backward finds what forward has left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from netc.errors import Code, Diagnostic, NetError
from netc.plan.model import Plan

NOT_FORWARD = Code(
    "RUN027",
    "backward without the forward that it belongs to",
    why="Backward reads values that forward has left in memory, and uses that memory for gradients. Before the first "
    "forward, after one that ended early, and after another backward the values are not there.",
    example="net.backward(); net.backward()",
    fix="Call `forward()` before each `backward()`; or plan the net with `keep=True`, where one forward is enough.",
)
PART_OF_A_PASS = Code(
    "RUN028",
    "a part of a pass needs a net that keeps every blob",
    why="A pass that starts in the middle reads what layers before it have made, and backward what forward and later "
    "layers have. Where blobs share memory these values are gone, and layers that run as one step cannot be parted.",
    example='net.forward(start="conv2")',
    fix="Open or plan the net with `keep=True`; or run whole passes. `forward(end=...)` is always possible.",
)


class Reach:
    """How far forward has come since its values were last used up; layers by index."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._last = -1

    def lose(self) -> None:
        """The values are gone: another executor runs the net from now on."""
        self._last = -1

    @contextmanager
    def forward(self, first: int, last: int) -> Iterator[None]:
        """Around a forward of these layers; raises NetError(RUN028)."""
        if first > 0:
            self._need_all(f'forward from layer "{self._name(first)}"')
        before, self._last = self._last if self.plan.kept else -1, -1
        yield
        self._last = max(before, last)

    def backward(self, first: int, last: int) -> None:
        """Before a backward from layer `last` down to `first`; raises NetError(RUN027, RUN028)."""
        if first > 0 or last < len(self.plan.layers) - 1:
            self._need_all(f'backward from layer "{self._name(last)}" to "{self._name(first)}"')
        if self._last < last:
            message = (
                f'backward from layer "{self._name(last)}" needs a forward that has run it since the last backward'
            )
            raise NetError(Diagnostic(NOT_FORWARD, message, help=NOT_FORWARD.fix))
        if not self.plan.kept:
            self.lose()

    def _need_all(self, what: str) -> None:
        if not self.plan.kept:
            message = f'{what} is a part of a pass, and net "{self.plan.graph.name}" does not keep every blob'
            raise NetError(Diagnostic(PART_OF_A_PASS, message, help=PART_OF_A_PASS.fix))

    def _name(self, layer: int) -> str:
        return self.plan.graph.nodes[layer].name
