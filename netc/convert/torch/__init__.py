"""A net as PyTorch: a module that people read and train, and its parameters.

Types are written by the functions in this package's tables, or by their own (`LayerType.torch`); every layer that has
none is named at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from netc.convert.torch import channels, losses, pointwise, sequences, shaping, windows
from netc.convert.torch.codes import NO_MODULE
from netc.convert.torch.model import Learned, Model, Writing
from netc.convert.torch.views import Layer, Union, View
from netc.convert.torch.writer import Write
from netc.errors import Diagnostic, NetError
from netc.layer import LayerType

WRITERS: dict[LayerType, Write] = {
    **windows.WRITERS,
    **channels.WRITERS,
    **pointwise.WRITERS,
    **shaping.WRITERS,
    **sequences.WRITERS,
    **losses.WRITERS,
}

__all__ = ["WRITERS", "Learned", "Model", "View", "export"]


def export(views: Sequence[View], source: str) -> Model:
    """What `model.py` says, and the parameters that go with it. source: what the net was made from, for its docstring.

    Raises NetError: CNV030 and CNV031 for every layer that nothing is written for.
    """
    union = Union()
    for view in views:
        union.add(view)
    found = {layer.key: _writer(layer) for layer in union.layers}
    if missing := [_missing(layer) for layer in union.layers if found[layer.key] is None]:
        raise NetError(missing)
    title = next((v.plan.graph.name for v in views if v.plan.graph.name), "Net")
    return Writing(union, title, source).write({key: write for key, write in found.items() if write is not None})


def _writer(layer: Layer) -> Write | None:
    return layer.node.type.torch or WRITERS.get(layer.node.type)


def _missing(layer: Layer) -> Diagnostic:
    type = layer.node.type
    kind = "data layer" if type.source else "loss" if type.loss else "layer type"
    message = f'layer "{layer.node.name}": nothing is written in PyTorch for the {kind} {type.name}'
    return Diagnostic(NO_MODULE, message, layer.node.record.span, help=NO_MODULE.fix)
