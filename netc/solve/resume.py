"""Going on from a snapshot, netc's or Caffe's: everything is read and checked before the solver changes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from netc.errors import Diagnostic, NetError, Report
from netc.layer import Array, format_shape
from netc.run import Net
from netc.run.weights import fits, load_own, load_weights
from netc.schema.weights import SolverState
from netc.solve.codes import INCOMPLETE, NO_WEIGHTS, OTHER_SEED, WRONG_STATE
from netc.solve.plateau import Plateau
from netc.solve.snapshots import checksum, place, places, read_state, read_weights
from netc.solve.training import Training
from netc.untrusted import library

Places = list[dict[str, Mapping[str, Any]]]  # of each net: where its sources are, by layer


def restore(solver: Training, path: Path) -> None:
    """Put a solver where a snapshot was taken, by netc or by Caffe.

    Raises NetError: SNP001 to SNP004 for files that are no snapshots, SNP010, SNP022, SNP023, SNP024 for those that
    do not fit, DAT010 for those of other data; the solver is unchanged then.
    """
    state, training = read_state(path)
    history = _fitting_history(solver, state, path)
    with _moved(solver, _places(training, path), path):
        if state.learned_net:
            found = _weights_path(state.learned_net, path)
            weights = read_weights(found)
            if training is not None and training.weights_crc != checksum(weights.layers):
                message = f"{found} does not hold the weights that {path} was written with"
                raise NetError(Diagnostic(INCOMPLETE, message))
            load = load_weights if training is None else load_own
            load(solver.net, weights, source=str(found))
    solver.iteration = state.iter
    if state.minimum_loss is not None:
        solver.updater.plateau = Plateau(state.minimum_loss, state.iter_last_event, state.current_step)
    for blobs, arrays in zip(solver.updater.history, history, strict=True):
        for index, blob in blobs.items():
            blob[...] = arrays[index].reshape(blob.shape)
    if training is not None:
        _go_on(solver, training)
    else:
        solver.net.iteration = state.iter * solver.p.iter_size


def _fitting_history(solver: Training, state: SolverState, path: Path) -> list[tuple[Array, ...]]:
    """The history blobs by kind and parameter; raises NetError(SNP022) if there are others than the rule needs."""
    parameters, kinds = solver.net.parameters.all, len(solver.updater.history)
    if len(state.history) != kinds * len(parameters):
        rule = solver.updater.rule.name
        message = f"{path} holds {len(state.history)} history blobs; {rule} has {kinds} for each of the net's "
        raise NetError(Diagnostic(WRONG_STATE, message + f"{len(parameters)} parameter blobs"))
    report = Report()
    for index, blob in enumerate(state.history):
        parameter = parameters[index % len(parameters)]
        if not fits(parameter.data.shape, blob.shape):
            shapes = f"{format_shape(parameter.data.shape)}, its history in {path} {format_shape(blob.shape)}"
            report.error(WRONG_STATE, f'"{parameter.param.name}" has shape {shapes}')
    report.finish()
    return [state.history[k * len(parameters) : (k + 1) * len(parameters)] for k in range(kinds)]


def _places(training: Any, path: Path) -> Places:
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


@contextmanager
def _moved(solver: Training, at: Places, path: Path) -> Iterator[None]:
    """Put the sources where they were; back again if that, or what is done within `with`, raises NetError."""

    def refuse(reason: str) -> NetError:
        message = f"{path}: a source cannot go on from the place that it names: {reason}"
        return NetError(Diagnostic(WRONG_STATE, message))

    nets = _nets(solver)
    before = [places(net) for net in nets]
    try:
        for net, states in zip(nets, at, strict=False):
            with library(refuse):
                place(net, states)
        yield
    except NetError:
        for net, states in zip(nets, before, strict=True):
            place(net, states)
        raise


def _nets(solver: Training) -> list[Net]:
    return [solver.net, *(test.net for test in solver.tests)]


def _weights_path(named: str, state: Path) -> Path:
    for path in (state.parent / Path(named).name, Path(named)):
        try:
            if path.is_file():
                return path
        except (OSError, ValueError):  # a name that no file can have
            continue
    message = f"{state} names {named}, which is not there, nor beside it"
    raise NetError(Diagnostic(NO_WEIGHTS, message))


def _go_on(solver: Training, training: Any) -> None:
    if training.seed != solver.net.seed:
        message = f"the snapshot's seed {training.seed} is used, not {solver.net.seed}"
        solver.events.warned(Diagnostic(OTHER_SEED, message, severity="warning"))
    solver.losses = list(training.loss)
    solver.best = training.best if training.has("best") else math.nan
    solver.waited, solver.skipped = training.waited, training.skipped
    for net, record in zip(_nets(solver), training.net, strict=False):
        net.seed, net.iteration = training.seed, record.iteration
        state = net.state
        for buffer in record.buffer:
            array = state.get((buffer.layer, buffer.name))
            if array is not None and array.nbytes == len(buffer.data):
                array[...] = np.frombuffer(buffer.data, array.dtype).reshape(array.shape)
