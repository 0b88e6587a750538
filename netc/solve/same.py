"""Whether all ranks train the same, asked before the first iteration, while a difference has a name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from hashlib import blake2b
from importlib.metadata import version

import numpy as np

from netc.errors import Diagnostic, NetError
from netc.jit.host import processor
from netc.run import Net
from netc.run.weights import weights_of
from netc.schema.wire import encode
from netc.solve.ranks import Ranks
from netc.solve.ranks.codes import DIFFERENT
from netc.solve.snapshots import checksum, source_states
from netc.solve.training import Training

FEATURES = "processor"


def refuse_others(ranks: Ranks, training: Training, mixed: bool) -> None:
    """Raise NetError(SOL042) on all ranks if one of them trains something else than rank 0. For all at once.

    mixed: processors with other vector instructions are no difference.
    """
    if ranks.size == 1:
        return
    first, *others = ranks.gather({name: look(training) for name, look in FIELDS.items()})
    found = [
        Diagnostic(DIFFERENT, f"rank {rank} has another {name} than rank 0: {theirs[name]}, not {first[name]}")
        for rank, theirs in enumerate(others, 1)
        for name in FIELDS
        if theirs[name] != first[name] and not (mixed and name == FEATURES)
    ]
    if found:
        raise NetError(found)


def _nets(training: Training) -> list[Net]:
    return [training.net, *(test.net for test in training.tests)]


def _versions(_: Training) -> str:
    return f"netc {version('netc')}, numpy {np.__version__}"


def _processor(_: Training) -> str:
    name, features = processor()
    return f"{name} ({_digest(features.encode())})"


def _precision(training: Training) -> str:
    net = training.net
    return f"{net.dtype}, {net.executor_name}, {net.precision}"


def _definition(training: Training) -> str:
    records = [encode(node.record) for net in _nets(training) for node in net.graph.nodes]
    shapes = repr([net.plan.shapes for net in _nets(training)]).encode()
    return _digest(b"\0".join([*records, shapes]))


def _data(training: Training) -> str:
    """Where the sources are, how many records they have, and of those that tell it what is in them."""
    return _digest(json.dumps([source_states(net) for net in _nets(training)], sort_keys=True, default=str).encode())


FIELDS: Mapping[str, Callable[[Training], str]] = {
    "version": _versions,
    FEATURES: _processor,
    "precision": _precision,
    "net": _definition,
    "solver": lambda training: _digest(encode(training.record)),
    "weights": lambda training: f"{checksum(weights_of(training.net).layers):08x}",
    "data": _data,
    "iteration": lambda training: str(training.iteration),
}


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=6).hexdigest()
