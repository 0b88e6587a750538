"""Weight files as tables: what their blobs hold, and what differs between two of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.text import Text

from netc.layer import Array, format_shape
from netc.plan.usage import readable
from netc.report import columns
from netc.report.columns import Column
from netc.schema.weights import LayerWeights, Weights


@dataclass(frozen=True, slots=True)
class Blob:
    """One blob of a file: whose it is and which of its layer's, its shape, and how its values are distributed.

    mean, std, most (of the absolute values), zeros (a share): of the finite values; NaN without any. bad: how many are
    not finite.
    """

    layer: str
    type: str
    index: int
    shape: tuple[int, ...]
    count: int
    mean: float
    std: float
    most: float
    zeros: float
    bad: int


def blobs(weights: Weights) -> list[Blob]:
    """Every blob of a file, in order."""
    return [_blob(layer, i, array) for layer in weights.layers for i, array in enumerate(layer.blobs)]


def _blob(layer: LayerWeights, index: int, array: Array) -> Blob:
    values = np.asarray(array, np.float64).reshape(-1)
    known = values[np.isfinite(values)]
    mean, std, most, zeros = (
        (float(known.mean()), float(known.std()), float(np.abs(known).max()), float((known == 0).mean()))
        if known.size
        else (float("nan"),) * 4
    )
    size = (len(values), mean, std, most, zeros, len(values) - len(known))
    return Blob(layer.name, layer.type, index, tuple(array.shape), *size)


def table(weights: Weights, width: int) -> list[Text]:
    """The file as a table of at most so many characters a line: a row for each blob."""
    found = blobs(weights)
    total = sum(b.count for b in found)
    bad = sum(b.bad for b in found)
    shown = [
        Column("layer", [*_once([b.layer for b in found]), "total"], name=True),
        Column("type", [*_once([b.type for b in found]), ""], dropped=2, name=True),
        Column("shape", [*(format_shape(b.shape) for b in found), ""]),
        Column("values", [*(f"{b.count:,}" for b in found), f"{total:,}"], right=True),
        *(
            Column(name, [*(f"{getattr(b, name):.3g}" for b in found), ""], right=True, dropped=dropped)
            for name, dropped in (("mean", 3), ("std", 0), ("most", 4))
        ),
        Column("zeros", [*(f"{b.zeros:.1%}" for b in found), ""], right=True, dropped=1),
    ]
    if bad:
        shown.append(Column("not finite", [*(str(b.bad or "") for b in found), str(bad)], right=True))
    return columns.table(shown, width, f"{weights.name or 'weights'} ({readable(4 * total)})", totals=1)


def _once(names: Sequence[str]) -> list[str]:
    """Each name where it begins, nothing where it goes on."""
    return [name if i == 0 or names[i - 1] != name else "" for i, name in enumerate(names)]


def data(weights: Weights) -> dict[str, Any]:
    """The file as JSON-able data."""
    kept = ("layer", "type", "index", "count", "mean", "std", "most", "zeros", "bad")
    return {
        "name": weights.name,
        "layers": [{"name": layer.name, "type": layer.type, "blobs": len(layer.blobs)} for layer in weights.layers],
        "blobs": [{**{k: getattr(b, k) for k in kept}, "shape": list(b.shape)} for b in blobs(weights)],
    }


@dataclass(frozen=True, slots=True)
class Change:
    """A blob of both files that differs. said: how, where it has two shapes; else how far its values are apart.

    most: the largest difference of two values; relative: the norm of the differences against that of A's values.
    """

    layer: str
    index: int
    said: str
    most: float = 0.0
    relative: float = 0.0


def compare(a: Weights, b: Weights) -> list[Change]:
    """The blobs that are in one of two files only, or differ: to the bit, NaN is NaN."""
    ours, theirs = _by_place(a), _by_place(b)
    return [change for place in dict.fromkeys((*ours, *theirs)) if (change := _change(place, ours, theirs))]


Place = tuple[str, int]


def _by_place(weights: Weights) -> dict[Place, Array]:
    return {(layer.name, i): array for layer in weights.layers for i, array in enumerate(layer.blobs)}


def _change(place: Place, ours: dict[Place, Array], theirs: dict[Place, Array]) -> Change | None:
    one, other = ours.get(place), theirs.get(place)
    if one is None or other is None:
        return Change(*place, f"only in {'B' if one is None else 'A'}")
    if one.shape != other.shape:
        return Change(*place, f"{format_shape(one.shape)} -> {format_shape(other.shape)}")
    if np.array_equal(one, other, equal_nan=True):
        return None
    before, after = (np.asarray(x, np.float64) for x in (one, other))
    known = np.isfinite(before) & np.isfinite(after)
    apart, size = np.abs(after - before)[known], float(np.linalg.norm(before[known]))
    most = float(apart.max(initial=0.0))
    relative = float(np.linalg.norm(apart)) / size if size else float("inf")
    return Change(*place, "", most, relative)


def lines(changes: Sequence[Change], count: int) -> Iterator[str]:
    """What differs, as text; count: the blobs that were compared."""
    for change in changes:
        where = f"{change.layer}[{change.index}]"
        if change.said:
            yield f"~ {where} {change.said}"
        else:
            yield f"~ {where} differs by {change.relative:.2%} of its size, by {change.most:.3g} at most"
    yield f"weights: {count - len(changes)} of {count} blobs are the same" if changes else "the same weights"
