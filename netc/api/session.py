"""Nets and solvers from files: plans, parameters and data sources put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Unpack

import numpy as np
from numpy.typing import DTypeLike

from netc import data, run, solve
from netc.api.definition import Definition, PathLike
from netc.api.fed import read_from_data
from netc.api.generation.generator import Generated, Generator
from netc.api.history import History
from netc.api.jobs import Job, load_job
from netc.api.loading import UNTRAINED, load_files, untrained
from netc.api.made_up import fill_inputs
from netc.api.memory import within
from netc.api.meter import Several
from netc.api.planner import Planner, Plans
from netc.api.planning import dealt, load
from netc.api.preprocess import stored
from netc.api.progress import Progress
from netc.api.recorder import Recorder
from netc.api.settings import Given
from netc.api.sized import SizedNet, Varying
from netc.api.whole_tests import too_many_batches
from netc.errors import Diagnostic, NetError
from netc.files import near
from netc.graph import Graph, Node, State
from netc.layer import Array, Phase, Shape, format_shape
from netc.plan.lints.learning import unlearned
from netc.plan.lints.zeros import ZEROS
from netc.plan.model import Plan
from netc.report import notebook
from netc.run.codes import INPUT_SHAPE
from netc.schema.record import Record
from netc.solve.events import Events
from netc.solve.ranks import ALONE, Ranks
from netc.solve.snapshot_files import probe
from netc.solve.stages import changed
from netc.solve.update import Updater
from netc.writes import Where


class Net(SizedNet):
    """A net that runs, from a file or a definition.

        net = netc.Net("deploy.prototxt", weights="model.caffemodel")
        net.set_input("data", images)
        probabilities = net.forward()["prob"]
        net.forward(data=other_images, end="pool5")  # in any size, up to any layer

    phase, level, stages: which of the file's nets. weights: `.caffemodel` files, by layer name. batch, inputs: shapes
    instead of the file's. keep: every blob stays readable after a pass. training: plan backward too (default: in phase
    TRAIN). Data layers whose source is there are fed from it; others are inputs that the caller sets. on_bad_record:
    "stop" or "skip" a record of the data that cannot be used. synthetic: data layers and inputs hold random numbers
    that the layers can take (`netc.api.made_up`), to time a net without its data. reshape, names: as in `Solver`.
    run_options: `executor` ("fast"; with keep "reference", whose blobs may be written), `threads`, `precision`. budget:
    bytes ("500MB") that parameters, gradients and blobs together may take; layers run again in backward until they fit,
    which changes no bit. need_data: data layers whose data is not there are refused (DAT016) where their shape is not
    known. allow_writes: layers that write files (HDF5Output) may do so outside the working folder.
    settings: as in `netc.load`, of a file. Raises NetError.
    """

    def __init__(
        self,
        definition: Definition | PathLike,
        phase: Phase = "TEST",
        *,
        level: int = 0,
        stages: Iterable[str] = (),
        weights: PathLike | Iterable[PathLike] = (),
        batch: int | None = None,
        inputs: Mapping[str, Shape] | None = None,
        training: bool | None = None,
        keep: bool = False,
        seed: int = 0,
        dtype: DTypeLike = np.float32,
        layers: Iterable[Path] = (),
        synthetic: bool = False,
        reshape: bool = False,
        names: Mapping[str, str] | None = None,
        on_bad_record: data.OnBadRecord = "stop",
        budget: int | str | None = None,
        allow_writes: bool = False,
        need_data: bool = False,
        settings: Given = None,
        **run_options: Unpack[run.RunOptions],
    ) -> None:
        if not isinstance(definition, Definition):
            definition = load(definition, layers=layers, settings=settings)
        self.definition = definition
        self._generators: dict[tuple[tuple[str, object], ...], Generator] = {}
        state = State(phase, level, tuple(stages))
        training = phase == "TRAIN" if training is None else training
        writes: Where = "nowhere" if synthetic else "anywhere" if allow_writes else "here"
        options: run.RunOptions = {"executor": "reference" if keep else "fast", "writes": writes, **run_options}
        fit = _fit(budget, None, options)
        planner = Planner(definition, state, training=(training,), batch=batch, keep=keep, fit=fit)

        def feeds(plan: Plan) -> Mapping[str, run.Feed]:
            return {} if synthetic else open_feeds(plan, seed, on_bad_record)

        with read_from_data(lambda: [planner.graph]) if need_data else nullcontext():
            super().__init__(planner, inputs or {}, feeds, dtype=dtype, seed=seed, **options)
        if synthetic:
            fill_inputs(self, seed)
        files = [weights] if isinstance(weights, str | Path) else weights
        self.loaded = load_files(self, files, reshape=reshape, names=names)

    def generate(
        self, text: str = "", *, count: int = 1, seed: int = 0, changes: Mapping[str, object] | None = None
    ) -> list[Generated]:
        """Texts that go on from this one, or that it becomes, as the file's `generate { }` block says.

        count: so many samples, or at most so many of the best that a beam search finds. changes: fields of the block to
        set instead of the file's (`{"temperature": 0.5}`). Raises NetError: DAT022, RUN110 to RUN113.
        """
        key = tuple(sorted((changes or {}).items()))
        if key not in self._generators:
            executor, _, precision = self._how
            self._generators[key] = Generator(
                self.definition, self, changes=changes, executor=executor, threads=self.threads, precision=precision
            )
        return self._generators[key].texts(text, count=count, seed=seed)[:count]

    def __repr__(self) -> str:
        graph, files = self.graph, ", ".join(path.name for path in self.loaded)
        weights = f", weights of {files}" if files else ""
        return f"<net {graph.name or 'net'} ({graph.state.phase}): {len(graph.nodes)} layers{weights}>"

    def _repr_html_(self) -> str:
        return notebook.html(self.plan)


class Solver(solve.Solver):
    """A training run, from a solver file, a net file with a `solver { }` block, or a loaded job.

        solver = netc.Solver("nets/digits.net")
        history = solver.solve(progress=True)
        history.plot("curves.svg")

    events: what hears how it goes (`netc.Events`). inputs: shapes of input and data blobs, for each of the nets that
    has them.
    settings: as in `netc.load`, of a file. changes: fields of the loaded solver, and of stages that
    have them, to set (`max_iter`, `random_seed`...).
    weights: `.caffemodel` files to start from, instead of the solver's own `weights`; reshape: layers that do not fit
    start fresh; names: layer names of the files to the net's.
    on_nan: "stop" or "skip" an update whose loss is not finite. overfit: train on the first batch, of this many
    samples, again and again, without tests and snapshots: a net that cannot learn them by heart has a mistake.
    on_bad_record: "stop" or "skip" a record of the data that cannot be used. keep_gradients: leave gradients in
    `net.param_diffs`; without, updates are made in backward (see `netc.solve.Solver`). budget: as in `Net`, with the
    solver's memory; the test nets come on top. allow_writes: as in `Net`. lock: refuse a snapshot_prefix with which
    another process trains. ranks, mixed: the processes that train together; see `netc.solve.Solver`. Raises NetError.
    """

    def __init__(
        self,
        job: Job | PathLike,
        *,
        layers: Iterable[Path] = (),
        inputs: Mapping[str, Shape] | None = None,
        events: Events | None = None,
        changes: Mapping[str, object] | None = None,
        weights: Iterable[PathLike] = (),
        reshape: bool = False,
        names: Mapping[str, str] | None = None,
        on_nan: Literal["stop", "skip"] = "stop",
        overfit: int | None = None,
        on_bad_record: data.OnBadRecord = "stop",
        keep_gradients: bool = True,
        budget: int | str | None = None,
        lock: bool = True,
        allow_writes: bool = False,
        settings: Given = None,
        ranks: Ranks = ALONE,
        mixed: bool = False,
        **run_options: Unpack[run.RunOptions],
    ) -> None:
        writes: Where = "nowhere" if overfit else "anywhere" if allow_writes else "here"
        options: run.RunOptions = {"executor": "fast", "writes": writes, **run_options}
        job = job if isinstance(job, Job) else load_job(job, layers=layers, settings=settings)
        record = changed(job.record, {**(changes or {}), **(_ONE_BATCH if overfit else {})})
        seed = record.random_seed if record.has("random_seed") and record.random_seed >= 0 else 0
        fit = _fit(budget, record, options, update_in_backward=not keep_gradients)

        def feeds(plan: Plan) -> Mapping[str, run.Feed]:
            found = open_feeds(plan, seed, on_bad_record, required=True)
            return first_batches(found) if overfit else found

        planner = Planner(job.train, job.train_state, training=(True,), batch=overfit, fit=fit)
        testers = [Planner(t.definition, t.state, training=(False,)) for t in (() if overfit else job.tests)]
        graphs = [p.graph for p in (planner, *testers)]
        shapes, *test_shapes = dealt(inputs or {}, graphs)
        with read_from_data(lambda: graphs):
            net = SizedNet(planner, shapes, feeds, seed=seed, **options)
        net.graph = _with_preprocessing(net.plan)
        tests, warnings = [], [*job.warnings, *net.plan.warnings, *unlearned(net.plan)]
        for test, tester, shapes in zip(job.tests, testers, test_shapes, strict=False):
            with read_from_data(lambda: graphs):
                test_net = SizedNet(tester, shapes, feeds, seed=seed, params=net, **options)
            warnings += (*test_net.plan.warnings, *too_many_batches(test_net, test.iterations))
            tests.append(solve.Test(test_net, test.iterations))
        prefix = replace(job, record=record).prefix
        super().__init__(
            record, net, tests, events=events, snapshot_prefix=prefix, on_nan=on_nan, keep_gradients=keep_gradients,
            lock=lock, ranks=ranks, mixed=mixed,
        )  # fmt: skip
        self.job = job
        self.history = History(job.path.stem)
        files, judges = tuple(weights) or _weights(job, record), [test.net for test in tests]
        self.loaded = load_files(net, files, reshape=reshape, names=names, tests=judges)
        warnings += untrained(net, judges, self.loaded.values())
        self._warnings: tuple[Diagnostic, ...] = tuple(dict.fromkeys(warnings))

    def solve(self, stop_at: int | None = None, *, progress: bool = False) -> History:
        """Train, as `netc.solve.Solver.solve` says: to max_iter, or to iteration `stop_at`. Returns how it went.

        The history has what `netc train` writes to its metrics file: iterations that are displayed (of a solver with
        `display: 0`, about a thousand), and tests; and the last iteration. `solver.history` has it, too, also after an
        exception. progress: show where the run is, in a notebook below its cell, else on stderr. Raises NetError.
        """
        self.history = History(Path(self.prefix or self.job.path.stem).name)
        recorder = Recorder(self.history, bool(self.p.display))
        shown = Progress() if progress else None
        before, self.events = self.events, Several(self.events, recorder, *([shown] if shown else []))
        try:
            super().solve(stop_at)
        finally:
            self.events = before
            recorder.close()
            if shown:
                shown.close()
        return self.history

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """What is dubious about the net and the solver; not what other weights have settled."""
        settled = {ZEROS: self.loaded or self.iteration, UNTRAINED: self.iteration}
        return tuple(w for w in self._warnings if not settled.get(w.code))

    def check_snapshots(self) -> None:
        """Raise NetError(SNP020) if the run will write snapshots and cannot: better now than after hours."""
        wanted = self.prefix and (self.p.snapshot or self.p.snapshot_after_train)
        if wanted and self.leads and (problem := probe(Path(f"{self.prefix}_iter_0"))):
            span = self.p.span_of("snapshot_prefix") if self.p.has("snapshot_prefix") else None
            raise NetError(replace(problem, span=span))


def _fit(
    budget: int | str | None, solver: Record | None, run_options: run.RunOptions, *, update_in_backward: bool = False
) -> Callable[[Plans], Plan]:
    """How to choose the layers that run again in backward: within the budget, if there is one."""
    if budget is None:
        return lambda plans: plans(())
    how: dict[str, Any] = {key: run_options.get(key) for key in ("executor", "threads", "precision")}
    return lambda plans: within(budget, plans, **how, solver=solver, update_in_backward=update_in_backward).plan


_ONE_BATCH: dict[str, Any] = {
    "fit_iter": 1,
    "early_stop": None,
    "snapshot": 0,
    "snapshot_after_train": False,
    "test_interval": 0,
    "test_initialization": False,
}


def _weights(job: Job, record: Record) -> tuple[Path, ...]:
    """The files that the solver's `weights` names (each may list several, separated by commas), found as nets are."""
    here = job.path.resolve().parent
    names = [name.strip() for text in record.weights for name in text.split(",") if name.strip()]
    return tuple(near(name, here) or Path(name) for name in names)


def _with_preprocessing(plan: Plan) -> Graph:
    """The graph; its NetParameter, which snapshots carry, says how the data layers prepare images."""
    return replace(plan.graph, record=plan.graph.record.replace(preprocessing=stored(plan) or None))


class FirstBatch:
    """A feed that gives another feed's first batch, again and again."""

    def __init__(self, feed: run.Feed) -> None:
        self.feed = feed
        self._batch: tuple[Array, ...] = ()

    def next(self, out: Sequence[Array]) -> None:
        if not self._batch:
            self.feed.next(out)
            self._batch = tuple(array.copy() for array in out)
        for target, array in zip(out, self._batch, strict=True):
            target[...] = array

    def upcoming(self) -> tuple[Shape, ...]:
        """The shapes of that batch, () if they are as planned."""
        if not self._batch and isinstance(self.feed, Varying):
            return self.feed.upcoming()
        return tuple(array.shape for array in self._batch)


def first_batches(feeds: Mapping[str, run.Feed]) -> dict[str, run.Feed]:
    """Feeds that give the first batch of these, again and again."""
    return {name: FirstBatch(feed) for name, feed in feeds.items()}


def open_feeds(
    plan: Plan, seed: int, on_bad_record: data.OnBadRecord = "stop", *, required: bool = False
) -> dict[str, run.Feed]:
    """A source for each data layer of a plan whose data is there; with `required` it is an error if some is not."""
    feeds: dict[str, run.Feed] = {}
    for node in plan.graph.nodes:
        own = node.type.data
        if data.has_source(node.type.name, own) and (required or node.key not in plan.assumed):
            feeds[node.key] = data.open_source(
                node.record, plan.graph.state.phase, seed, on_bad_record=on_bad_record, own=own
            )
            _check_shapes(plan, node, feeds[node.key])
    return feeds


def _check_shapes(plan: Plan, node: Node, feed: run.Feed) -> None:
    """Raise NetError(RUN011) if a source cannot fill what the layer's tops were planned as, but for the batch size."""
    has = data.probe(node.record, plan.graph.state.phase, node.type.data) or ()
    planned = [plan.shapes[v] for v in node.tops]
    if isinstance(feed, Varying) and planned[0][:1] == (1,):  # planned anew for each image
        return
    axis = node.samples
    for value, shape, given in zip(node.tops, planned, has, strict=False):
        if shape[:axis] != given[:axis] or shape[axis + 1 :] != given[axis + 1 :]:
            name = plan.graph.values[value].name
            message = f'the data gives "{name}" the shape {format_shape(given)}, not {format_shape(shape)}'
            help = "leave the shape to the data, or have the layer crop or resize (crop_size, new_height and new_width)"
            raise NetError(Diagnostic.of_layer(node.record, INPUT_SHAPE, message, help=help))


def time_updater(net: Net, *, update_in_backward: bool = True) -> Updater:
    """SGD with momentum and weight decay, to be timed; as `netc train` runs it, updates are made in backward."""
    fields = {"type": "SGD", "base_lr": 1e-4, "momentum": 0.9, "weight_decay": 5e-4, "lr_policy": "fixed"}
    record = net.definition.schema.message("SolverParameter").make(**fields)
    return Updater(record, net, update_in_backward=update_in_backward)
