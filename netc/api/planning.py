"""From a definition to a plan; checking a file in all its phases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from netc import data, language
from netc.api.definition import Definition, PathLike, is_solver, typed
from netc.api.jobs import load_job
from netc.errors import Diagnostic, NetError
from netc.graph import State, build
from netc.layer import Phase, Shape, catalogue
from netc.plan import plan as plan_graph
from netc.plan.model import Plan
from netc.schema.record import Record


def load(path: PathLike, *, layers: Iterable[Path] = ()) -> Definition:
    """Read, type and upgrade a net file; a solver file gives the net that it trains.

    Raises NetError with everything that is wrong with the file.
    """
    document = language.read(path)
    if is_solver(document):
        return load_job(path, layers=layers).train
    return typed(document, Path(path), catalogue(layers))


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
) -> Plan:
    """Plan a net: shapes, receptive fields, counts, memory; nothing is allocated.

    batch: batch size instead of the file's. inputs: shapes of input or data blobs by name. training: plan backward too
    (default: in phase TRAIN). keep: every blob keeps its own memory, for inspection.
    Raises NetError with everything that is wrong with the net.
    """
    if not isinstance(definition, Definition):
        definition = load(definition)
    return plan_state(
        definition,
        State(phase, level, tuple(stages)),
        batch=batch,
        inputs=inputs or {},
        training=phase == "TRAIN" if training is None else training,
        keep=keep,
    )


def plan_state(
    definition: Definition,
    state: State,
    *,
    batch: int | None = None,
    inputs: Mapping[str, Shape] | None = None,
    training: bool = False,
    keep: bool = False,
) -> Plan:
    """As `plan`, for any state."""
    built = build(definition.record, definition.types, state)
    given = {}
    for node in built.nodes:
        if node.type.source and (shapes := data.probe(node.record, state.phase)) is not None:
            given[node.name] = shapes
    return plan_graph(built, training=training, given=given, inputs=inputs or {}, batch=batch, keep=keep)


def check(path: PathLike, *, layers: Iterable[Path] = ()) -> tuple[Diagnostic, ...]:
    """Load and plan a file in each of its phases; returns the warnings, raises NetError if anything is wrong."""
    layers = tuple(layers)
    document = language.read(path)
    if is_solver(document):
        job = load_job(path, layers=layers)
        nets = [(job.train, job.train_state), *((t.definition, t.state) for t in job.tests)]
        warnings = [*job.warnings, *(w for d, _ in nets for w in d.warnings)]
    else:
        definition = typed(document, Path(path), catalogue(layers))
        nets = [(definition, State(phase)) for phase in phases(definition)]
        warnings = list(definition.warnings)
    found: list[Diagnostic] = list(warnings)
    for definition, state in nets:
        try:
            found += plan_state(definition, state, training=state.phase == "TRAIN").warnings
        except NetError as error:
            found += error.diagnostics
    unique = tuple(dict.fromkeys(found))
    if any(d.severity == "error" for d in unique):
        raise NetError(unique)
    return unique


def phases(definition: Definition) -> tuple[Phase, ...]:
    """The phases a file has a net for: those in which some layer without bottoms is included.

    A file that only has TRAIN data is not asked to make sense in TEST.
    """
    both: tuple[Phase, ...] = ("TRAIN", "TEST")
    starts = [layer for layer in definition.record.layer if not layer.bottom]
    fed = tuple(phase for phase in both if any(_included(layer, phase) for layer in starts))
    return fed or ("TEST",)


def _included(layer: Record, phase: Phase) -> bool:
    if any(rule.has("phase") for rule in layer.include):
        return any(rule.phase == phase for rule in layer.include if rule.has("phase"))
    return not any(rule.has("phase") and rule.phase == phase for rule in layer.exclude)
