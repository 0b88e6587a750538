"""Going on from a snapshot, netc's or Caffe's: everything is read and checked before the solver changes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

from netc.errors import Diagnostic, NetError, Report
from netc.layer import Array, format_shape
from netc.run import Net
from netc.run.apart import load_apart
from netc.run.weights import fits, load_own, load_weights
from netc.schema.record import Record
from netc.schema.weights import SolverState
from netc.solve.codes import INCOMPLETE, NO_WEIGHTS, OTHER_DATA, OTHER_SEED, WRONG_STATE
from netc.solve.learning import Learning
from netc.solve.plateau import Plateau
from netc.solve.rules import rules
from netc.solve.snapshots import checksum, read_state, read_weights, restore_sources, source_states
from netc.solve.sparsity import unpacked
from netc.solve.stages import stage_at
from netc.solve.training import Training
from netc.solve.update import rule_name
from netc.untrusted import library

DataChanged = Literal["stop", "restart", "continue"]
SourceStates = list[dict[str, Mapping[str, Any]]]  # of each net: where its sources are, by layer


def restore(solver: Learning, path: Path, data_changed: DataChanged = "stop") -> None:
    """Put a solver where a snapshot was taken, by netc or by Caffe.

    data_changed: what becomes of sources that have other records now.
    Raises NetError: SNP001 to SNP004 for files that are no snapshots, SNP010, SNP022, SNP023, SNP024 for those that
    do not fit, DAT010 for those of other data; the solver is unchanged then.
    """
    state, training = read_state(path)
    stage, start = _stage(solver, state, training, path)
    history = _fitting_history(solver, state, path, solver.stages[stage])
    masks = _masks(solver, training, path)
    at, said = _adapted(solver, _source_states_of(training, path), data_changed)
    with _moved(solver, at, path):
        if state.learned_net:
            found = _weights_path(state.learned_net, path)
            weights = read_weights(found)
            if training is not None and training.weights_crc != checksum(weights.layers):
                message = f"{found} does not hold the weights that {path} was written with"
                raise NetError(Diagnostic(INCOMPLETE, message))
            weights, apart = load_apart((t.net for t in solver.tests), solver.net, weights, source=str(found))
            said += [warning for loaded in apart for warning in loaded.warnings]
            if training is None:
                said += load_weights(solver.net, weights, source=str(found)).warnings
            else:
                said += load_own(solver.net, weights, str(found))
    if (stage, start) != (solver.stage, solver.stage_start):
        solver.enter(stage, start)
    solver.iteration = state.iter
    for index, mask in solver.updater.masks.items():
        mask[...] = masks.get(index, 1)
    if state.minimum_loss is not None:
        solver.updater.plateau = Plateau(state.minimum_loss, state.iter_last_event, state.current_step)
    solver.updater.recall(history)
    for diagnostic in said:
        solver.events.warned(diagnostic)
    if training is not None:
        _go_on(solver, training, path)
    else:
        solver.net.iteration = state.iter * solver.p.iter_size


def _stage(solver: Training, state: SolverState, training: Any, path: Path) -> tuple[int, int]:
    """The stage that a state is of, and where that began. Raises NetError(SNP022) if the solver has none such."""
    if training is None or len(solver.stages) == 1:
        return stage_at(solver.stages, state.iter)
    if not (0 <= training.stage < len(solver.stages) and 0 <= training.stage_start <= state.iter):
        there = f"stage {training.stage + 1}, from iteration {training.stage_start} on"
        message = f"{path} is of {there}; the solver has {len(solver.stages)} stages"
        raise NetError(Diagnostic(WRONG_STATE, message))
    return training.stage, training.stage_start


def _masks(solver: Training, training: Any, path: Path) -> dict[int, Array]:
    """Which weights are in, by parameter. Raises NetError(SNP022) for masks that do not fit the net's parameters."""
    found, blobs = {}, {blob.param.name: blob for blob in solver.net.parameters.all}
    for mask in training.mask if training is not None else ():
        blob = blobs.get(mask.param)
        bits = None if blob is None else unpacked(mask.bits, blob.array.size)
        if blob is None or bits is None:
            said = f"{path} says which of {8 * len(mask.bits)} weights of "
            raise NetError(Diagnostic(WRONG_STATE, said + f'"{mask.param}" are in; the net has no such parameter'))
        found[blob.param.index] = bits
    return found


def _fitting_history(solver: Training, state: SolverState, path: Path, p: Record) -> list[tuple[Array, ...]]:
    """The history blobs by kind and parameter; raises NetError(SNP022) if there are others than the rule needs.

    p: the fields of the stage that the state is of.
    """
    rule = rules()[rule_name(p)]
    parameters, kinds = solver.net.parameters.all, rule.histories
    if len(state.history) != kinds * len(parameters):
        message = f"{path} holds {len(state.history)} history blobs; {rule.name} has {kinds} for each of the net's "
        raise NetError(Diagnostic(WRONG_STATE, message + f"{len(parameters)} parameter blobs"))
    report = Report()
    for index, blob in enumerate(state.history):
        parameter = parameters[index % len(parameters)]
        if not fits(parameter.shape, blob.shape):
            shapes = f"{format_shape(parameter.shape)}, its history in {path} {format_shape(blob.shape)}"
            report.error(WRONG_STATE, f'"{parameter.param.name}" has shape {shapes}')
    report.finish()
    return [state.history[k * len(parameters) : (k + 1) * len(parameters)] for k in range(kinds)]


def _source_states_of(training: Any, path: Path) -> SourceStates:
    """Where the sources of each net were. Raises NetError(SNP022): a checksum can be right for nonsense, too."""
    if training is None:
        return []
    counts = (training.waited, training.skipped, *(net.iteration for net in training.net))
    if min(counts) < 0:
        raise NetError(Diagnostic(WRONG_STATE, f"{path} counts {min(counts)} of something that is counted from 0"))
    return [{source.layer: _place(source, path) for source in net.source} for net in training.net]


def _place(source: Any, path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(source.state)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        message = f'{path}: what it says of the place of layer "{source.layer}" in its data is no JSON object'
        raise NetError(Diagnostic(WRONG_STATE, message))
    return found


def _adapted(solver: Training, at: SourceStates, how: DataChanged) -> tuple[SourceStates, list[Diagnostic]]:
    """The places, those in sources of another size moved as `how` says; and what is said about it (SNP031)."""
    if how == "stop":
        return at, []
    found: SourceStates = []
    said: list[Diagnostic] = []
    for net, states in zip(_nets(solver), at, strict=False):
        own = source_states(net)
        found.append({name: _in_other_data(state, own.get(name, {}), how) for name, state in states.items()})
        for name, state in found[-1].items():
            if state != states[name]:
                then, now = states[name]["count"], state["count"]
                has = f"had {then:,} records, and has {now:,}" if then != now else "has other records than it had"
                message = f'layer "{name}" {has}: it goes on at record '
                message += f"{state['position']:,} of epoch {state['epoch']:,}"
                said.append(Diagnostic(OTHER_DATA, message, severity="warning"))
    return found, said


def _in_other_data(state: Mapping[str, Any], own: Mapping[str, Any], how: DataChanged) -> Mapping[str, Any]:
    """A place in a source that may have other records than when the place was noted."""
    now = {name: own[name] for name in ("count", "content") if name in own}
    numbers = [state.get(name) for name in ("count", "epoch", "position")]
    if "count" not in now or not all(type(number) is int for number in numbers):
        return state
    if state["count"] == now["count"] and state.get("content") in (None, now.get("content")):
        return state
    if how == "restart":
        return {**state, **now, "epoch": state["epoch"] + 1, "position": 0}
    return {**state, **now, "position": state["position"] % max(now["count"], 1)}


@contextmanager
def _moved(solver: Training, at: SourceStates, path: Path) -> Iterator[None]:
    """Put the sources where they were; back again if that, or what is done within `with`, raises NetError."""

    def refuse(reason: str) -> NetError:
        message = f"{path}: a source cannot go on from the place that it names: {reason}"
        return NetError(Diagnostic(WRONG_STATE, message))

    nets = _nets(solver)
    before = [source_states(net) for net in nets]
    try:
        for net, states in zip(nets, at, strict=False):
            with library(refuse):
                restore_sources(net, states)
        yield
    except NetError:
        for net, states in zip(nets, before, strict=True):
            restore_sources(net, states)
        raise


def _nets(solver: Training) -> list[Net]:
    return [solver.net, *(test.net for test in solver.tests)]


def _weights_path(named: str, state: Path) -> Path:
    for path in (state.parent / Path(named).name, Path(named)):
        if _is_there(path):
            return path
    message = f"{state} names {named}, which is not there, nor beside it"
    raise NetError(Diagnostic(NO_WEIGHTS, message))


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _go_on(solver: Training, training: Any, path: Path) -> None:
    if training.seed != solver.net.seed:
        message = f"the snapshot's seed {training.seed} is used, not {solver.net.seed}"
        solver.events.warned(Diagnostic(OTHER_SEED, message, severity="warning"))
    solver.losses = list(training.loss)
    solver.best = training.best if training.has("best") else math.nan
    solver.best_iteration = training.best_iteration if training.has("best_iteration") else None
    named = Path(training.best_weights)
    there = filter(_is_there, (path.parent / named.name, named))
    solver.best_weights = next(there, None) if training.best_weights else None
    solver.waited, solver.skipped = training.waited, training.skipped
    for net, record in zip(_nets(solver), training.net, strict=False):
        net.seed, net.iteration = training.seed, record.iteration
        state = net.state
        for buffer in record.buffer:
            array = state.get((buffer.layer, buffer.name))
            if array is not None and array.nbytes == len(buffer.data):
                array[...] = np.frombuffer(buffer.data, array.dtype).reshape(array.shape)
