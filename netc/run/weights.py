"""Loading the weights of one net into another, layer by layer, by name (Caffe's `Net::CopyTrainedLayersFrom`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from netc.errors import Diagnostic, NetError
from netc.graph import Node
from netc.layer import Shape, format_shape
from netc.plan.model import Plan
from netc.run.codes import EMPTY_STATISTICS, NOTHING_LOADED, SAME_NAMES, WEIGHTS_NOT_FINITE, WEIGHTS_SHAPE
from netc.run.net import Net
from netc.schema.weights import LayerWeights, Weights


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of the layers: `loaded`, `fresh` (the file does not have them), `ignored` (the net does not have
    them), `mismatched` (other shapes; left as they were)."""

    loaded: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    mismatched: tuple[Diagnostic, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()


def load_weights(
    net: Net, weights: Weights, *, reshape: bool = False, names: Mapping[str, str] | None = None, source: str = ""
) -> Loaded:
    """Copy the blobs of every layer that both have. Nothing is changed if an error is raised.

    As in Caffe, of several layers in the file with one name the last counts, and of several in the net the first takes
    it; that is warned of (SNP014). reshape: leave layers that do not fit as they are, instead of an error. names: a
    file's layer name to the net's. Blobs of old files have four sizes; leading ones are dropped to fit, as in Caffe.
    Raises NetError: SNP010 for each layer that does not fit; SNP011 if nothing can be loaded.
    """
    pairs, found = match(net.parameters.plan, weights, reshape=reshape, names=names, source=source)
    for node, layer in pairs:
        _copy(net, node, layer)
    return found


def match(
    plan: Plan, weights: Weights, *, reshape: bool = False, names: Mapping[str, str] | None = None, source: str = ""
) -> tuple[list[tuple[Node, LayerWeights]], Loaded]:
    """Which layer of a net takes which layer's parameters of a file; arguments, report and errors of `load_weights`."""
    names, targets = names or {}, dict[str, Node]()
    for node in _with_parameters(plan):
        targets.setdefault(node.name, node)
    there = [(names.get(layer.name, layer.name), layer) for layer in weights.layers if layer.blobs]
    found = dict(there)
    chosen = [(node, _current(node, found[name])) for name, node in targets.items() if name in found]
    mismatched = {node.key: d for node, layer in chosen if (d := _mismatch(plan, node, layer, source))}
    if mismatched and not reshape:
        raise NetError(mismatched.values())
    if targets and not chosen:
        have = ", ".join(list(found)[:5]) or "no layers with parameters"
        raise NetError(Diagnostic(NOTHING_LOADED, f"{source or 'the weights'} hold {have}: none is in this net"))
    pairs = [(node, layer) for node, layer in chosen if node.key not in mismatched]
    taken = {node.key for node, _ in chosen}
    fresh = tuple(node.key for node in _with_parameters(plan) if node.key not in taken)
    ignored = tuple(layer.name for name, layer in found.items() if name not in targets)
    doubts = (*_same_names(plan, [name for name, _ in there], source), *_doubts(pairs))
    doubts += not_finite((layer for _, layer in pairs), source)
    loaded = tuple(node.key for node, _ in pairs)
    return pairs, Loaded(loaded, fresh, ignored, tuple(mismatched.values()), doubts)


def load_own(net: Net, weights: Weights, source: str) -> tuple[Diagnostic, ...]:
    """Load a file that was written from this net, layer by layer in their order, whatever their names; the warnings.

    One whose layers have other names, or another order, is loaded by name. Raises NetError as `load_weights`.
    """
    plan = net.parameters.plan
    nodes, stored = _with_parameters(plan), [layer for layer in weights.layers if layer.blobs]
    if [node.name for node in nodes] != [layer.name for layer in stored]:
        return load_weights(net, weights, source=source).warnings
    pairs = list(zip(nodes, stored, strict=True))
    if problems := [d for node, layer in pairs if (d := _mismatch(plan, node, layer, source))]:
        raise NetError(problems)
    for node, layer in pairs:
        _copy(net, node, layer)
    return not_finite(stored, source)


def _with_parameters(plan: Plan) -> list[Node]:
    return [node for node in plan.graph.nodes if plan.layers[node.index].params]


def _copy(net: Net, node: Node, layer: LayerWeights) -> None:
    for target, blob in zip(net.parameters.of_layer(node.index), layer.blobs, strict=True):
        target.data[...] = np.asarray(blob).reshape(target.data.shape)


def _current(node: Node, layer: LayerWeights) -> LayerWeights:
    """A file's layer with its blobs as the net's layer has them now."""
    blobs = tuple(np.asarray(blob) for blob in layer.blobs)
    current = node.type.role.current
    return replace(layer, blobs=current(blobs)) if current else layer


def not_finite(layers: Iterable[LayerWeights], source: str) -> tuple[Diagnostic, ...]:
    """A warning (SNP032) that names the layers whose values are not all finite, and says how many are not."""
    counts = [(layer.name, _count_not_finite(layer), sum(np.size(b) for b in layer.blobs)) for layer in layers]
    wrong = [f"{name} ({count:,} of {size:,})" for name, count, size in counts if count]
    if not wrong:
        return ()
    message = f"{source or 'the file'} holds values that are not finite: {_some(wrong)}"
    return (Diagnostic(WEIGHTS_NOT_FINITE, message, help=WEIGHTS_NOT_FINITE.fix, severity="warning"),)


def _count_not_finite(layer: LayerWeights) -> int:
    """How many values of a layer are NaN or infinite."""
    with np.errstate(all="ignore"):  # the sum is quick; where it overflows, the values are looked at
        doubted = [blob for blob in map(np.asarray, layer.blobs) if not np.isfinite(blob.sum())]
    return sum(int(blob.size - np.isfinite(blob).sum()) for blob in doubted)


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _same_names(plan: Plan, there: list[str], source: str) -> tuple[Diagnostic, ...]:
    """A warning about each name that several layers with parameters have, in the net or in the file."""
    ours, theirs = Counter(node.name for node in _with_parameters(plan)), Counter(there)
    found = []
    for name, count in ours.items():
        if theirs[name] and (count > 1 or theirs[name] > 1):
            amounts = f"the net has {count} layers with parameters of that name, {source or 'the file'} {theirs[name]}"
            message = f'"{name}": {amounts}; the first of the net has taken the last of the file'
            found.append(Diagnostic(SAME_NAMES, message, help=SAME_NAMES.fix, severity="warning"))
    return tuple(found)


def _doubts(loaded: list[tuple[Node, LayerWeights]]) -> tuple[Diagnostic, ...]:
    """Warnings that name the layers whose parameters were loaded, but are unlikely to be what training left."""
    found: dict[str, list[str]] = {}
    for node, layer in loaded:
        doubt = node.type.role.doubt
        if doubt and (said := doubt(tuple(map(np.asarray, layer.blobs)))):
            found.setdefault(said, []).append(node.name)
    return tuple(_doubted(said, names) for said, names in found.items())


def _doubted(said: str, names: list[str]) -> Diagnostic:
    return Diagnostic(EMPTY_STATISTICS, f"{said}: {_some(names)}", help=EMPTY_STATISTICS.fix, severity="warning")


def weights_of(net: Net, diffs: bool = False, sparse: Container[int] = ()) -> Weights:
    """The net's parameters as a weight file holds them, every layer included; `diffs`: the gradients too.

    sparse: the parameters of which only what is not zero is to be stored, by index.
    """
    layers = []
    for node in net.graph.nodes:
        own = net.parameters.of_layer(node.index)
        gradients = tuple(np.zeros_like(b.array) if (diff := b.diff) is None else diff for b in own) if diffs else ()
        few = frozenset(i for i, b in enumerate(own) if b.param.index in sparse)
        layers.append(LayerWeights(node.name, node.type.name, tuple(b.data for b in own), gradients, few))
    return Weights(net.graph.name, tuple(layers))


def _mismatch(plan: Plan, node: Node, layer: LayerWeights, source: str) -> Diagnostic | None:
    ours = tuple(blob.shape for blob in plan.layers[node.index].setup.params)
    theirs = tuple(blob.shape for blob in layer.blobs)
    if len(ours) == len(theirs) and all(map(fits, ours, theirs)):
        return None
    said = f"the net has {_shapes(ours)}, {source or 'the file'} has {_shapes(theirs)}"
    help = _fitting(node, ours, theirs) or (
        "to fine-tune, give the layer another name, so that it starts fresh (or --reshape); to test or predict, use "
        "the net that the weights were trained with"
    )
    return Diagnostic(WEIGHTS_SHAPE, f'layer "{node.name}" does not fit: {said}', node.record.span, help=help)


def _fitting(node: Node, ours: tuple[Shape, ...], theirs: tuple[Shape, ...]) -> str:
    """What to write so that a layer has as many blobs as a file's, or "" if that is not it."""
    misfit = node.type.role.misfit
    if misfit and (said := misfit(len(ours), len(theirs))):
        return said
    param = node.type.param or ""
    fields = getattr(node.record, param).message_type.fields if param else {}
    if "bias_term" not in fields or abs(len(ours) - len(theirs)) != 1:
        return ""
    if not all(fits(a, b) for a, b in zip(ours, theirs, strict=False)):
        return ""
    more = len(theirs) > len(ours)
    if bool(getattr(node.record, param).bias_term) == more:
        return ""
    has, value = ("a bias, too", "true") if more else ("no bias", "false")
    return f"the file's layer has {has}: write `{param} {{ bias_term: {value} }}`"


def fits(ours: Shape, theirs: Shape) -> bool:
    """Whether a blob of a file has the shape of one of ours; old files pad shapes with ones to four sizes.

    A vector may have its ones anywhere: NVCaffe 0.15 has 1 x C x 1 x 1.
    """
    padded = len(theirs) == 4 and len(ours) < 4 and (1,) * (4 - len(ours)) + ours == theirs
    return ours == theirs or padded or (len(ours) == 1 and [n for n in theirs if n != 1] == [n for n in ours if n != 1])


def _shapes(blobs: tuple[Shape, ...]) -> str:
    return " and ".join(map(format_shape, blobs)) or "no blobs"
