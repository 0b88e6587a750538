"""A pycaffe net that runs on the fast executor as long as nobody looks inside.

What a script reads after a pass (outputs, inputs, and blobs that it has asked for before) are arrays of their own, the
*fronts*, which each pass fills. A blob that it asks for only afterwards has not been kept: then the pass is run once
more, from the inputs as they were, by the engine, which keeps every blob; and from the next pass on the blob has a
front. Backward, a pass that starts in the middle, hooks and the like are the engine's from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from netc import run
from netc.api.planner import Planner
from netc.caffe.engine import Engine
from netc.caffe.fronts import Fronts
from netc.caffe.quick import Pass, Program, Quick, can_be_quick
from netc.errors import Diagnostic, NetError
from netc.graph import AUTOMATIC
from netc.layer import Array, Shape
from netc.plan.model import Plan
from netc.run.codes import BLOB_REUSED


class Facade(Engine):
    """An engine with the fast executor in front of it, where that can be (`quick` is None where it cannot).

    planner, fast: plan the net with every blob kept, and for inference. Raises NetError.
    """

    def __init__(
        self,
        planner: Planner,
        fast: Planner,
        *,
        seed: int,
        feeds: Callable[[Plan], Mapping[str, Any]],
        params: run.Net | None = None,
    ) -> None:
        self.fronts = Fronts()
        self.quick: Quick | None = None
        self._pending: list[Pass] = []  # passes that the engine has not run
        self._now: Plan | None = None  # the plan of the last of them, or of shapes that a script has asked for
        super().__init__(planner, seed=seed, feeds=feeds, params=params)
        if params is None and can_be_quick(self) and not self._changes_shape():
            self.quick = Quick(fast)
            for name in self._input_shapes():
                self.fronts.put(name, self.values_of(name).copy())

    def _changes_shape(self) -> bool:
        """Whether a blob changes its shape from layer to layer: then it has no array that could be all of it."""
        chains = (chain for name, chain in self.versions.of.items() if name != AUTOMATIC)
        return any(len({self.plan.shapes[v] for v in chain}) > 1 for chain in chains)

    # ------------------------------------------------------------ what a script sees

    def look(self, name: str) -> Array:
        if name in self.asked or not len(self.fronts):
            return self.values_of(name)
        if name not in self.fronts:
            self._look_inside()
            if name not in self.versions.of:
                return self.values_of(name)
            self.fronts.put(name, self.values_of(name).copy())
        return self.fronts.lend(name)

    def look_at_gradient(self, name: str) -> Array:
        self._look_inside()
        return self.gradient_of(name)

    def shape_of(self, name: str) -> Shape:
        if name in self.asked or name not in self.fronts:
            if name not in self.asked and self._now is not None:
                found = [v.index for v in self._now.graph.values if v.name == name]
                if found:
                    return self._now.shapes[found[-1]]
            return self.values_of(name).shape
        return self.fronts[name].shape

    def expect(self, names: Iterable[str]) -> None:
        self.fronts.expect(names)

    def _input(self, value: int) -> Array:
        name = self.graph.values[value].name
        return self.fronts[name] if name in self.fronts else super()._input(value)

    # ------------------------------------------------------------ forward

    def forward(self, start: str | None = None, end: str | None = None) -> dict[str, Array]:
        last = self._layer(end, len(self.graph.nodes) - 1)
        self.run_forward(self._layer(start, 0), last)
        outputs = (self.graph.values[v] for v in self.graph.outputs)
        return {v.name: np.array(self.look(v.name)) for v in outputs if v.producer <= last}

    def _run_forward(self, first: int, last: int) -> float:
        program = self._program(last) if first == 0 and self._goes_quick() else None
        if program is not None:
            return self._run_quick(program, last)
        if first > 0:
            self._look_inside()
        self.catch_up()
        with self._as_seen():
            loss = super()._run_forward(first, last)
        self._pending = [one for one in self._pending if one.last > last]
        if first > 0:
            self.quick = None
        return loss

    def _goes_quick(self) -> bool:
        lent = any(blob.values.is_lent for blob in self.parameters.all)  # a script may change them before it looks
        return self.quick is not None and not (self.hooks or self.misfits or self.is_observed or lent)

    def _program(self, last: int) -> Program | None:
        """The program that runs the layers up to the last, in the shapes that were asked for; None: it cannot be."""
        assert self.quick is not None
        shapes, wanted = self._asked_shapes(), self.fronts.wanted()
        names = {v.name: v.index for v in self.graph.values if v.producer <= last and v.name != AUTOMATIC}
        changed = {name for name in shapes if name in names and self.graph.values[names[name]].version > 0}
        shown = tuple(sorted(name for name in (wanted - shapes.keys()) | changed if name in names))
        try:
            program = self.quick.program(self, shapes, last + 1, shown)
        except NetError:
            self.fronts.expect(wanted)
            return None
        self._take(program.plan)
        return program

    def _asked_shapes(self) -> dict[str, Shape]:
        """Of the inputs."""
        inputs = self._input_shapes()
        return {name: self.asked[name].shape if name in self.asked else self.fronts[name].shape for name in inputs}

    def _take(self, plan: Plan) -> None:
        """The net has the shapes of a plan from now on."""
        for name in self._input_shapes():
            if name in self.asked:
                self.fronts.put(name, self.asked[name])
        self.asked = {}
        self._now = plan
        shapes = {value.name: plan.shapes[value.index] for value in plan.graph.values}
        for name in self.fronts:
            if name in shapes and self.fronts[name].shape != shapes[name] and name not in self._input_shapes():
                self.fronts.drop(name)

    def _run_quick(self, program: Program, last: int) -> float:
        plan, storage = program.plan, program.storage
        self._refuse_empty(0, last)
        inputs = {name: self.fronts[name].copy() for name in self._input_shapes()}
        sources = {v: plan.graph.values[v].name for n in plan.graph.nodes if n.type.source for v in n.tops}
        storage.inputs = {v: inputs[name] for v, name in sources.items()}
        storage.iteration, storage.seed = self.iteration, self.seed
        self.loss = program.executor.forward(0, last)
        kept = [one for one in self._pending if one.last > last]  # of layers that this pass has not come to
        assert self.quick is not None
        self._pending = [*kept, Pass(inputs, last, self.iteration, self.quick.stamps())]
        self.iteration += 1
        self._show(program, sources)
        return self.loss

    def _show(self, program: Program, sources: Collection[int]) -> None:
        """Fill the fronts; blobs that nobody looks at have none."""
        graph = program.plan.graph
        shown = {graph.values[v].name: v for v in graph.outputs if v not in sources}
        for name, value in shown.items():
            array = program.executor.value(value)
            assert array is not None  # an output
            self.fronts.show(name, array)
        for name in {value.name for value in graph.values} - shown.keys() - self._input_shapes().keys():
            self.fronts.drop(name)

    # ------------------------------------------------------------ the engine, when somebody looks inside

    def catch_up(self) -> None:
        """Before parameters change: have every blob of the last passes in the engine's memory, if that can still be."""
        if not self._is_too_late():
            self._bring()

    def _look_inside(self) -> None:
        """Have every blob of the last passes in the engine's memory. Raises NetError(RUN012) if that cannot be."""
        if self._is_too_late():
            message = "the blobs inside the net are gone: parameters have been written since the pass that made them"
            help = "ask for the blobs once before that, or name them in `forward(blobs=[...])`"
            raise NetError(Diagnostic(BLOB_REUSED, message, help=help))
        self._bring()

    def _is_too_late(self) -> bool:
        """Whether other parameters (written by a net that shares them, say) are there than the last pass had."""
        return bool(self._pending) and (self.quick is None or self.quick.stamps() != self._pending[-1].stamps)

    def _bring(self) -> None:
        if not self._pending and self._now is None:
            return
        pending, self._pending, self._now = self._pending, [], None
        asked, self.asked = self.asked, {}
        misfits, self.misfits = self.misfits, {}
        now = self.loss, self.iteration
        try:
            for one in pending:
                self._run_again(one)
            shapes = self.fronts.shapes(self._input_shapes())
            if shapes != self._input_shapes():
                self._fit(shapes, None)
        finally:
            self.loss, self.iteration = now
            self.asked, self.misfits = asked, misfits

    def _run_again(self, one: Pass) -> None:
        shapes = {name: array.shape for name, array in one.inputs.items()}
        if shapes != self._input_shapes():
            self._fit(shapes, one.last)
        for name, array in one.inputs.items():
            self.values_of(name)[...] = array
        self.iteration = one.iteration
        super()._run_forward(0, one.last)

    @contextmanager
    def _as_seen(self) -> Iterator[None]:
        """Within `with`, the engine's blobs are as the script sees them, and afterwards it sees what they hold."""
        for name in self.fronts:
            if (
                name in self.versions.of
                and name not in self.asked
                and self.values_of(name).shape == self.fronts[name].shape
            ):
                self.values_of(name)[...] = self.fronts[name]
        try:
            yield
        finally:
            for name in self.fronts:
                if name in self.versions.of:
                    self.fronts.show(name, self.values_of(name))

    def _run_backward(self, low: int, high: int) -> None:
        self._look_inside()
        self.quick = None
        with self._as_seen():
            super()._run_backward(low, high)

    # ------------------------------------------------------------ other shapes, other parameters

    def ask_shape(self, name: str, shape: Shape) -> None:
        if name in self.fronts and self.fronts[name].shape == shape and name not in self.asked:
            return
        super().ask_shape(name, shape)

    def settle(self, last: int | None = None) -> None:
        if last is None and self.quick is not None:
            try:
                self._take(self.quick.plan(self, self._asked_shapes(), len(self.graph.nodes), ()))
            except NetError:
                self.catch_up()
            else:
                return
        asked = dict(self.asked)
        super().settle(last)
        for name, array in asked.items():
            if name in self.fronts and name in self._input_shapes():
                self.fronts.put(name, array)

    def share_with(self, other: run.Net) -> None:
        for one in (self, other):
            if isinstance(one, Facade):
                one.catch_up()
                one.quick = None
        super().share_with(other)

    def feed(self, layer: int, source: Any) -> None:
        self.catch_up()
        self.quick = None
        super().feed(layer, source)

    def replica(self) -> Facade:
        self.catch_up()
        twin = super().replica()
        assert isinstance(twin, Facade)
        twin.fronts, twin._pending, twin._now = Fronts(), [], None
        twin.quick = Quick(self.quick.planner, (self.quick, self)) if self.quick is not None else None
        for name in self._input_shapes() if len(self.fronts) else ():
            twin.fronts.put(name, self.fronts[name].copy())
        return twin
