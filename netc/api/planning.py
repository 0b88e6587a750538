"""From a definition to a plan; checking a file in all its phases."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from netc import language
from netc.api.definition import Definition, PathLike, is_solver, only_declares, typed, typed_solver
from netc.api.generation import written
from netc.api.jobs import Job, make_job, own_job, solver_job
from netc.api.memory import Planned, planned
from netc.api.search import written as searched
from netc.api.settings import Given, settings_of
from netc.api.sources import examine_data, sources_of
from netc.catalogue import Catalogue, catalogue
from netc.errors import Diagnostic, NetError, Report
from netc.graph import Graph, State, build, included
from netc.layer import Phase, Shape
from netc.plan import plan as plan_graph
from netc.plan.lints.learning import unlearned
from netc.plan.model import Plan
from netc.plan.shapes import source_tops
from netc.schema.record import Record
from netc.solve import checks
from netc.solve.stages import stages_of


def load(path: PathLike, *, layers: Iterable[Path] = (), settings: Given = None) -> Definition:
    """Read, type and upgrade a net file; a solver file gives the net that it trains.

    settings: values instead of those of the file's constants and fields, by name: `{"width": 64,
    "solver.base_lr": 0.01, "conv1.num_output": 32}` (docs/language.md).
    Raises NetError with everything that is wrong with the file.
    """
    document, path, types = language.read(path, settings_of(settings)), Path(path), catalogue(layers)
    if is_solver(document):
        return solver_job(document, path, types).train
    return typed(document, path, types)


def plan(
    definition: Definition | PathLike,
    phase: Phase = "TEST",
    *,
    level: int = 0,
    stages: Iterable[str] = (),
    batch: int | None = None,
    inputs: Mapping[str, Shape] | None = None,
    training: bool | None = None,
    keep: bool = False,
    recompute: Collection[int] = (),
) -> Planned:
    """Plan a net: shapes, receptive fields, counts, memory; nothing is allocated. `.memory` is all that it will take.

    batch: batch size instead of the file's. inputs: shapes of input or data blobs by name. training: plan backward too
    (default: in phase TRAIN). keep: every blob keeps its own memory, for inspection. recompute: layers (by index) that
    run again in backward instead of keeping what they make; `netc.api.memory.within` chooses them for a budget.
    Raises NetError with everything that is wrong with the net.
    """
    if not isinstance(definition, Definition):
        definition = load(definition)
    found = plan_state(
        definition,
        State(phase, level, tuple(stages)),
        batch=batch,
        inputs=inputs or {},
        training=phase == "TRAIN" if training is None else training,
        keep=keep,
        recompute=recompute,
    )
    return planned(found, definition)


def plan_state(
    definition: Definition,
    state: State,
    *,
    batch: int | None = None,
    inputs: Mapping[str, Shape] | None = None,
    training: bool = False,
    keep: bool = False,
    recompute: Collection[int] = (),
    given: Mapping[str, tuple[Shape, ...]] | None = None,
) -> Plan:
    """As `plan`, for any state. given: the shapes of all tops of a layer whose data or code alone knows them."""
    built = build(definition.record, definition.types, state)
    sources = sources_of(built)
    tops = {**sources.shapes, **(given or {})}
    planned = plan_graph(
        built, training=training, given=tops, inputs=inputs or {}, batch=batch, keep=keep, recompute=recompute
    )
    return sources.in_plan(planned)


def check(
    path: PathLike,
    *,
    layers: Iterable[Path] = (),
    inputs: Mapping[str, Shape] | None = None,
    settings: Given = None,
) -> tuple[Diagnostic, ...]:
    """Type and plan a file in each of its phases; returns the warnings.

    inputs: shapes of input or data blobs by name, for each net that has them. settings: as in `load`.
    Raises NetError with all that is wrong: what one stage finds does not keep the later ones from looking.
    """
    path, types, report = Path(path), catalogue(layers), Report()
    document = language.read(path, settings_of(settings))
    if is_solver(document):
        _examine_job(document, path, types, report, inputs or {})
    else:
        examine(document, path, types, report, inputs, open_data=True)
    report.finish()
    return tuple(report.diagnostics)


def examine(
    document: language.Document,
    path: Path,
    types: Catalogue,
    report: Report,
    inputs: Mapping[str, Shape] | None = None,
    open_data: bool = False,
) -> tuple[Plan, ...]:
    """Type a net file and plan it in each of its states: the plans that can be made; all that is wrong is reported.

    inputs: shapes of input or data blobs by name, for each net that has them. open_data: open the data that is there.
    Raises NetError if statements cannot be carried out (SYN...).
    """
    definition = typed(document, path, types, report)
    if definition.solver is not None:
        check_solver(definition.solver, report)
        if not report.failed:  # a field that is left out may be one that counts
            _examine_own_job(definition, report)
    nets = [] if only_declares(document) else [(definition, state) for state in states(definition)]
    plans = _examine_nets(nets, report, inputs or {}, open_data)
    _check_search(document, path, definition, definition.solver, report)
    if definition.record.has("generate"):
        _check_generate(definition.record.generate, plans, report)
    return plans


def _check_generate(p: Record, plans: Iterable[Plan], report: Report) -> None:
    """Report what is wrong with the generate block (RUN111); which blobs there are only a whole deploy net says."""
    failed = report.failed
    report.diagnostics += written.problems(p)
    for plan in (plan for plan in plans if "deploy" in plan.graph.state.stages and not failed):
        report.diagnostics += written.unknown(p, plan.graph)


def _check_search(
    document: language.Document,
    path: Path,
    net: Definition,
    solver: Record | None,
    report: Report,
    job: Job | None = None,
) -> None:
    """Report what is wrong with the search block of a net or its solver (SOL051, SYN051, and values that fields do not
    take). document: the file that the settings of a trial are put into. job: of a solver file."""
    found = searched.blocks(net.record, solver)
    if not found:
        return
    report.diagnostics += [*searched.twice(found), *searched.problems(found[0])]
    report.add_new(searched.unknown(document, path, net.types, found[0], report.diagnostics))
    if solver is not None:
        with suppress(NetError):
            report.diagnostics += searched.untested(found[0], _outputs(job or own_job(net)))


def _examine_job(
    document: language.Document, path: Path, types: Catalogue, report: Report, inputs: Mapping[str, Shape]
) -> None:
    """Type a solver file and plan the nets that it trains and tests."""
    lost: list[language.Setting] = []
    record, warnings = typed_solver(document, types, lost)
    check_solver(record, report)
    try:
        job = make_job(path, record, warnings, types, tuple(lost))
    except NetError as error:
        report.diagnostics += error.diagnostics
        return
    _check_early_stop(job, report)
    _check_search(document, path, job.train, record, report, job)
    nets = [(job.train, job.train_state), *((t.definition, t.state) for t in job.tests)]
    report.diagnostics += [*job.warnings, *(found for definition, _ in nets for found in definition.warnings)]
    plans = _examine_nets(nets, report, inputs)
    for plan in (p for p in plans if p.graph.state.phase == "TRAIN"):
        report.add_new(unlearned(plan))


def _examine_own_job(definition: Definition, report: Report) -> None:
    """Look at what a file's own solver block says of its nets."""
    try:
        job = own_job(definition)
    except NetError as error:
        report.diagnostics += error.diagnostics
        return
    report.add_new(job.warnings)
    _check_early_stop(job, report)


def _check_early_stop(job: Job, report: Report) -> None:
    """Report early stopping that watches what no test net gives (SOL014); of nets that cannot be, that is said."""
    if not any(p.has("early_stop") for p in stages_of(job.record)):
        return
    with suppress(NetError):
        checks.check_early_stop(job.record, _outputs(job), report)


def _outputs(job: Job) -> list[list[str]]:
    """The names of the outputs of each test net. Raises NetError for a net that cannot be."""
    graphs = [build(t.definition.record, t.definition.types, t.state) for t in job.tests]
    return [[graph.values[v].name for v in graph.outputs] for graph in graphs]


def check_solver(record: Record, report: Report) -> None:
    """Report what is wrong with a SolverParameter's own fields (SOL010, SOL011, SOL012, SOL017)."""
    checks.check(record, report)
    checks.check_length(record, report)


def _examine_nets(
    nets: Iterable[tuple[Definition, State]], report: Report, inputs: Mapping[str, Shape], open_data: bool = True
) -> tuple[Plan, ...]:
    nets, graphs = list(nets), []
    for definition, state in nets:
        found = Report(list(report.diagnostics))  # what typing found tells the graph which layers are damaged
        try:
            graphs.append(build(definition.record, definition.types, state, found))
        except NetError as error:
            found.diagnostics += error.diagnostics
        report.add_new(found.diagnostics)
    plans = []
    for (definition, _), graph, shapes in zip(nets, graphs, dealt(inputs, graphs), strict=True):
        training, sources = graph.state.phase == "TRAIN", sources_of(graph, report)
        if open_data:
            examine_data(graph, sources, report)
        try:
            plans.append(plan_graph(graph, training=training, given=sources.shapes, inputs=shapes))
            report.add_new(plans[-1].warnings)
        except NetError as error:
            report.add_new(sources.without_shape(error.diagnostics))
            continue
        if training and definition.solver is not None and not report.failed:
            checks.check_net(definition.solver, plans[-1], report)
    return tuple(plans)


def dealt(inputs: Mapping[str, Shape], graphs: Sequence[Graph]) -> list[dict[str, Shape]]:
    """Shapes of blobs that are filled from outside, for each of several nets those that it has.

    What none has is the first net's, whose plan refuses it.
    """
    known = [source_tops(graph) for graph in graphs]
    lost = {name for name in inputs if not any(name in names for names in known)}
    return [
        {name: shape for name, shape in inputs.items() if name in names or (name in lost and names is known[0])}
        for names in known
    ]


def states(definition: Definition) -> tuple[State, ...]:
    """The states a file has a net for: the phases in which some layer without bottoms is included.

    A file that only has TRAIN data is not asked to make sense in TEST. A file with deploy blocks has the net of phase
    TEST and stage "deploy" too.
    """
    candidates = [State("TRAIN"), State("TEST")]
    if any("deploy" in rule.stage for layer in definition.record.layer for rule in layer.include):
        candidates.append(State("TEST", 0, ("deploy",)))
    starts = [layer for layer in definition.record.layer if not layer.bottom and _may_start(definition, layer)]
    return tuple(s for s in candidates if any(included(layer, s) for layer in starts)) or (State("TEST"),)


def _may_start(definition: Definition, layer: Record) -> bool:
    """Whether the layer's type takes no bottoms (its `bottom` may just be mistyped)."""
    known = definition.types.types.get(layer.type)
    return known is None or 0 in known.bottoms
