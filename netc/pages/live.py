"""What `netc train --view` writes for its page: a net like that of the run, looked into now and then.

Nothing of the run is touched: the net has parameters of its own, copied from the run for each look, and reads
the data by itself. So the run gives the bits that it gives without; a look only takes its time, between two iterations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from netc.api.confusion import Confusion
from netc.api.planner import Planner
from netc.api.preprocess import class_names_of
from netc.api.sanity import Inspector, inspected
from netc.api.session import Solver, open_feeds
from netc.api.sized import SizedNet
from netc.api.wrong import Mistake, Mistakes
from netc.pages.tested import MOST_CLASSES, mistake_data
from netc.pages.weight_data import blob_data
from netc.solve.events import Events, Step

LOOKS = 50
"""In a run, evenly spaced, and one after the last iteration."""
BATCHES = 10
"""That classes are counted over: the test's, but not more."""
MOST_WRONG = 8
MOST_SIDE = 48
"""Pixels of an image's sides; larger ones are thinned out."""

Write = Callable[[str, int, Mapping[str, object]], object]
"""Appends a line of metrics: its kind, the iteration (updates so far), and what it holds."""


class Viewer(Events):
    """Hears of a run, and writes a line of kind `view` at each look.

    activations, gradients: of one batch of the test net (of the train net, without tests), as lines of kind `inspect`
    have them. filters: those that look at images. names, matrix, wrong: what is taken for what in up to `BATCHES`
    batches, a row for each label, and the images that the net is surest of and wrong.
    """

    def __init__(self, solver: Solver, write: Write) -> None:
        self.solver = solver
        self._write = write
        self._every, self._last = 1, 0
        job = solver.job
        definition, state = (job.tests[0].definition, job.tests[0].state) if job.tests else (job.train, job.train_state)
        planner = Planner(definition, state, training=(True,), keep=True)
        seed = int(solver.p.random_seed) if solver.p.has("random_seed") and solver.p.random_seed >= 0 else 0
        self.net = SizedNet(
            planner, {}, lambda plan: open_feeds(plan, seed, "skip"), seed=seed, executor="reference", writes="nowhere"
        )
        self._batches = min(BATCHES, job.tests[0].iterations) if job.tests else 1
        self._inspector = Inspector(self.net, lambda _: True, lambda _: None)

    def started(self, iteration: int, last: int) -> None:
        self._every, self._last = max(1, -(-(last - iteration) // LOOKS)), last
        self._look(iteration)

    def stepped(self, step: Step) -> None:
        if step.iteration % self._every == 0 or step.iteration == self._last:
            self._look(step.iteration)

    def _look(self, iteration: int) -> None:
        theirs = {p.param.name: p.array for p in self.solver.net.parameters.all}
        for parameter in self.net.parameters.all:
            if parameter.param.name in theirs:
                parameter.array[...] = theirs[parameter.param.name]
        self.net.touch()
        with np.errstate(all="ignore"):
            with self.net.observed(self._inspector):
                self.net.zero_param_diffs()
                self.net.forward()
                self.net.backward()
            values = inspected(self._inspector.found(iteration))
            self._write("view", iteration, {**values, "filters": self._filters(), **self._classes()})

    def _filters(self) -> list[dict[str, object]]:
        found = ((p.param.name, blob_data(p.array)) for p in self.net.parameters.all if p.array.ndim == 4)
        return [{"name": name, **data["filters"]} for name, data in found if "filters" in data]

    def _classes(self) -> dict[str, object]:
        """Counted over the batch that has gone through the net, and those after it."""
        if not Confusion.possible(self.net.plan):
            return {}
        compared = Confusion(self.net)
        mistakes = Mistakes(self.net, compared, MOST_WRONG)
        for batch in range(self._batches):
            if batch:
                self.net.forward()
            compared.add()
            mistakes.add()
        matrix = compared.matrix
        names = class_names_of(self.net.plan, ())
        return {
            "names": list(names) if len(names) == len(matrix) else [str(i) for i in range(len(matrix))],
            "matrix": matrix.tolist() if len(matrix) <= MOST_CLASSES else None,
            "wrong": [mistake_data(_small(mistake)) for mistake in mistakes.found],
        }


def _small(mistake: Mistake) -> Mistake:
    image: Any = mistake.image
    if image is not None:
        image = image[:, :: -(-image.shape[1] // MOST_SIDE), :: -(-image.shape[2] // MOST_SIDE)]
    return Mistake(mistake.label, mistake.given, mistake.sure, mistake.right, image)
