"""Snapshots: `PREFIX_iter_N.caffemodel` and `.solverstate`, as Caffe writes and reads them.

Field `training` of the solver state (a field that Caffe skips) holds what exact resume needs besides: the seed and the
counters of all random numbers, the place in every data source, the values that layers keep, and a checksum of the
weights, so that two files of different runs are never taken for a pair.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, BinaryIO, NamedTuple, Protocol, runtime_checkable
from zlib import crc32

import numpy as np

from netc.errors import Diagnostic, NetError, Report
from netc.layer import Array
from netc.run import Net
from netc.run.apart import layers_apart
from netc.run.weights import weights_of
from netc.schema.record import MessageType, Record
from netc.schema.registry import base_schema
from netc.schema.scan import BYTES, WireError, encode_bytes, scan
from netc.schema.weights import LayerWeights, SolverState, Weights, parse_solver_state, parse_weights
from netc.schema.weights_write import write_solver_state, write_weights
from netc.schema.wire import decode, encode
from netc.solve import hdf5
from netc.solve.codes import INCOMPLETE, NO_PREFIX, WRONG_STATE
from netc.solve.policies import steps_done
from netc.solve.snapshot_files import probe, read_message, write_message, write_whole
from netc.solve.sparsity import packed
from netc.solve.training import Training

TRAINING = 1001  # the field of SolverState


class Paths(NamedTuple):
    """The two files of a snapshot."""

    weights: Path
    state: Path


@runtime_checkable
class Resumable(Protocol):
    """A source that can tell where it is, and go on from there."""

    def state(self) -> dict[str, Any]:
        """Where the source is, in plain numbers and strings."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""


def check(p: Record, prefix: str | None, report: Report, net: Net) -> None:
    """Report what would keep snapshots from being written (SNP020, SNP021, SNP028)."""
    if p.snapshot and not prefix:
        report.error(NO_PREFIX, f"snapshot: {p.snapshot} needs a snapshot_prefix", p.span_of("snapshot"))
    if p.snapshot and prefix and (problem := probe(Path(f"{prefix}_iter_0"))):
        report.error(problem.code, problem.message, p.span_of("snapshot_prefix"), help=problem.help)
    if prefix and p.snapshot_format == "HDF5" and (p.snapshot or p.snapshot_after_train):
        pairs = zip(net.graph.nodes, net.parameters.plan.layers, strict=True)
        hdf5.check_names(((node.name, len(layer.params)) for node, layer in pairs), report)


def paths(prefix: str, iteration: int, format: str = "BINARYPROTO") -> Paths:
    """Where the snapshot of an iteration is."""
    stem, end = f"{prefix}_iter_{iteration}", ".h5" if format == "HDF5" else ""
    return Paths(Path(f"{stem}.caffemodel{end}"), Path(f"{stem}.solverstate{end}"))


# ---------------------------------------------------------------- writing


def write(solver: Training) -> Paths:
    """Write weights, then state; each is whole or not there. Raises NetError(SNP005, SNP020)."""
    assert solver.prefix is not None
    at, net = paths(solver.prefix, solver.iteration, solver.p.snapshot_format), solver.net
    layers = _layers(solver, diffs=bool(solver.p.snapshot_diff))
    plateau = solver.updater.plateau
    minimum = (plateau.minimum, plateau.since) if solver.p.lr_policy == "plateau" else (None, 0)
    state = SolverState(solver.iteration, str(at.weights), _current_step(solver), tuple(_history(solver)), *minimum)
    training = encode(_signed(state, _training(solver, checksum(layers))))
    if solver.p.snapshot_format == "HDF5":
        write_whole(at.weights, lambda file: hdf5.write_weights(file, layers))
        write_whole(at.state, lambda file: hdf5.write_state(file, state, training))
        return at

    def write_state(file: BinaryIO) -> None:
        write_solver_state(file, state)
        file.write(encode_bytes(TRAINING, training))

    write_message(at.weights, lambda file: write_weights(file, net.graph.name, layers, _definition(net)))
    write_message(at.state, write_state)
    return at


def write_best(solver: Training) -> Path:
    """Write the weights alone, as those of the best test: `PREFIX_best.caffemodel`. Raises NetError(SNP005, SNP020)."""
    assert solver.prefix is not None
    return write_weights_alone(solver, f"{solver.prefix}_best")


def write_weights_alone(solver: Training, stem: str) -> Path:
    """Write the weights, without a state, to `STEM.caffemodel`. Raises NetError(SNP005, SNP020)."""
    net, hdf5_format = solver.net, solver.p.snapshot_format == "HDF5"
    path = Path(f"{stem}.caffemodel{'.h5' if hdf5_format else ''}")
    layers = _layers(solver)
    if hdf5_format:
        write_whole(path, lambda file: hdf5.write_weights(file, layers))
    else:
        write_message(path, lambda file: write_weights(file, net.graph.name, layers, _definition(net)))
    return path


def _layers(solver: Training, diffs: bool = False) -> tuple[LayerWeights, ...]:
    """The train net's layers, then those that only its test nets have."""
    layers = weights_of(solver.net, diffs, solver.updater.masks).layers
    return layers + layers_apart((test.net for test in solver.tests), solver.net)


def _definition(net: Net) -> Record:
    return net.graph.record.replace(layer=tuple(n.record for n in net.graph.nodes))


def rescue(solver: Training) -> Paths | None:
    """Write a snapshot into a new folder for temporary files; None if that cannot be done either."""
    assert solver.prefix is not None
    prefix, folder = solver.prefix, ""
    try:
        folder = mkdtemp(prefix="netc-")
        solver.prefix = str(Path(folder, Path(prefix).name))
        return write(solver)
    except (NetError, OSError):
        rmtree(folder, ignore_errors=True)
        return None
    finally:
        solver.prefix = prefix


def checksum(layers: Iterable[LayerWeights]) -> int:
    """CRC-32 of all values of all blobs, layers in the order of their names."""
    return _crc(blob for layer in sorted(layers, key=lambda layer: layer.name) for blob in layer.blobs)


def _crc(arrays: Iterable[Array], value: int = 0) -> int:
    for array in arrays:
        flat: Any = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        value = crc32(flat, value)
    return value


def _signed(state: SolverState, training: Record) -> Record:
    """The training state with the checksum of itself and of the rest of the solver's state."""
    plain = training.replace(state_crc=None)
    numbers = f"{state.iter} {state.current_step} {state.learned_net}"
    start = crc32(numbers.encode("utf-8", "surrogateescape"), crc32(encode(plain)))
    return plain.replace(state_crc=_crc(state.history, start))


def _current_step(solver: Training) -> int:
    """What Caffe calls current_step, after the last iteration done."""
    p, last = solver.p, max(solver.in_stage - 1, 0)
    if p.lr_policy == "step":
        return int(last // p.stepsize)
    if p.lr_policy == "plateau":
        return solver.updater.plateau.steps
    return steps_done(p.stepvalue, last) if p.lr_policy == "multistep" else 0


def _history(solver: Training) -> Iterator[Array]:
    """As in Caffe: the first blob of every parameter (learned or not), then the second of every parameter."""
    for blobs in solver.updater.history:
        for parameter in solver.net.parameters.all:
            yield blobs.get(parameter.param.index, np.zeros_like(parameter.array))


def _training(solver: Training, crc: int) -> Record:
    best = None if math.isnan(solver.best) else solver.best
    nets = tuple(_net_record(net) for net in (solver.net, *(t.net for t in solver.tests)))
    values = {"seed": solver.net.seed, "loss": tuple(solver.losses), "net": nets, "waited": solver.waited}
    values |= {"skipped": solver.skipped, "weights_crc": crc}
    names = {b.param.index: b.param.name for b in solver.net.parameters.all}
    masks = [_message("TrainingMask").make(param=names[i], bits=packed(m)) for i, m in solver.updater.masks.items()]
    if len(solver.stages) > 1:
        values |= {"stage": solver.stage, "stage_start": solver.stage_start}
    values |= {"mask": tuple(masks)} if masks else {}
    kept = {"best": best, "best_iteration": solver.best_iteration, "best_weights": solver.best_weights}
    values |= {name: str(v) if isinstance(v, Path) else v for name, v in kept.items() if v is not None}
    return _message("TrainingState").make(**values)


def source_states(net: Net) -> dict[str, Mapping[str, object]]:
    """Where the sources of a net's data layers are, by layer name."""
    return {name: feed.state() for name, feed in net.feeds.items() if isinstance(feed, Resumable)}


def restore_sources(net: Net, at: Mapping[str, Mapping[str, object]]) -> None:
    """Put sources where they were."""
    for name, state in at.items():
        feed = net.feeds.get(name)
        if isinstance(feed, Resumable):
            feed.restore(state)


def _net_record(net: Net) -> Record:
    return _message("TrainingNet").make(
        iteration=net.iteration,
        source=tuple(
            _message("TrainingSource").make(layer=name, state=json.dumps(state, sort_keys=True))
            for name, state in source_states(net).items()
        ),
        buffer=tuple(
            _message("TrainingBuffer").make(layer=layer, name=name, data=array.tobytes())
            for (layer, name), array in net.state.items()
        ),
    )


def _message(name: str) -> MessageType:
    return base_schema().message(name)


# ---------------------------------------------------------------- reading


def read_weights(path: Path | str) -> Weights:
    """A weight file, in protobuf or HDF5. Raises NetError: SNP001 to SNP004, SNP023, SNP025, SNP026."""
    path = Path(path)
    return hdf5.read_weights(path) if hdf5.is_hdf5(path) else parse_weights(read_message(path), str(path))


def read_state(path: Path) -> tuple[SolverState, Any]:
    """A solver's state, in protobuf or HDF5, and netc's TrainingState in it (None in Caffe's own).

    Raises NetError: SNP001 to SNP004 and SNP026 for files that are none, SNP023 if it is not as it was written, SNP022.
    """
    if hdf5.is_hdf5(path):
        state, training = hdf5.read_state(path)
    else:
        data = read_message(path)
        state = parse_solver_state(data, str(path))
        parts = [data[start:end] for number, wire, start, end in scan(data) if (number, wire) == (TRAINING, BYTES)]
        training = parts[0] if parts else b""
    if state.iter < 0 or state.current_step < 0:
        message = f"{path} was written at iteration {state.iter}, step {state.current_step}: there are none below 0"
        raise NetError(Diagnostic(WRONG_STATE, message))
    if not training:
        return state, None
    try:
        record: Any = decode(training, _message("TrainingState"))
    except WireError as error:
        raise NetError(Diagnostic(INCOMPLETE, f"{path}: {error.message}")) from None
    if record.state_crc != _signed(state, record).state_crc:
        raise NetError(Diagnostic(INCOMPLETE, f"{path} has been damaged: it does not fit its checksum"))
    return state, record
