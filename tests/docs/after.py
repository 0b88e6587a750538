"""What must be so in a page's folder when all of its blocks have run, besides what they print."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from netc.api.planning import plan
from netc.solve import read_weights


def _finetuning(folder: Path) -> None:
    """Frozen layers keep their weights, and cost no backward."""
    base = _blobs(folder / "base_iter_300.caffemodel")
    for name, frozen, learning in (
        ("last", {"f/c", "f/h"}, ["score_big", "loss"]),
        ("most", {"f/c"}, ["f/h", "f/h/relu", "score_big", "loss"]),
        ("all", set(), ["f/c", "f/c/relu", "f/c_2", "f/h", "f/h/relu", "score_big", "loss"]),
    ):
        tuned = _blobs(folder / f"{name}_iter_100.caffemodel")
        assert {n for n in ("f/c", "f/h") if all(map(np.array_equal, base[n], tuned[n]))} == frozen
        found = plan(folder / f"{name}.net", "TRAIN")
        ran = [found.graph.nodes[step.layer].name for step in found.backward if step.kind == "backward"]
        assert ran == learning[::-1]


def _blobs(path: Path) -> dict[str, list[np.ndarray]]:
    return {layer.name: [np.asarray(blob) for blob in layer.blobs] for layer in read_weights(path).layers}


AFTER: dict[str, Callable[[Path], None]] = {"docs/finetuning.md": _finetuning}
