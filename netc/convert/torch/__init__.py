"""A net as PyTorch: a module that people read and train, and its parameters.

Types are written by the functions in this package's tables, or by their own (`LayerType.torch`); every layer that has
none is named at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from netc.convert import safetensors
from netc.convert.counterparts import writer_of
from netc.convert.model import Checkable, Format, Made, Model, Options
from netc.convert.torch import channels, detection, losses, pointwise, sequences, shaping, windows
from netc.convert.torch.module import Learned, TorchModel, Writing
from netc.convert.torch.phases import views
from netc.convert.torch.runner import PyTorch
from netc.convert.torch.views import Layer, Union, View
from netc.convert.torch.writer import Write
from netc.errors import NetError, Report
from netc.layer import LayerType
from netc.schema.record import Record

WRITERS: dict[LayerType, Write] = {
    **windows.WRITERS,
    **channels.WRITERS,
    **pointwise.WRITERS,
    **shaping.WRITERS,
    **sequences.WRITERS,
    **losses.WRITERS,
    **detection.WRITERS,
}

__all__ = ["FORMAT", "WRITERS", "Learned", "TorchModel", "View", "export", "written"]


def export(of: Sequence[View], source: str) -> TorchModel:
    """What `model.py` says, and the parameters that go with it. source: what the net was made from, for its docstring.

    Raises NetError: CNV010 and CNV011 for every layer that nothing is written for.
    """
    union, modes = Union(), _modes(of)
    for view in of:
        union.add(view, modes)
    report, found = Report(), dict[str, Write]()
    for layer in union.layers:
        try:
            found[layer.key] = _writer(layer)
        except NetError as error:
            report.diagnostics += error.diagnostics
    report.finish()
    title = next((v.plan.graph.name for v in of if v.plan.graph.name), "Net")
    return Writing(union, title, source).write(found)


def _writer(layer: Layer) -> Write:
    return writer_of(layer.node, layer.node.type.torch, WRITERS, "PyTorch")


def _modes(of: Sequence[View]) -> Mapping[tuple[str, str], Record]:
    """By view and layer: the record of a layer that differs between the phases as a module does between its modes."""
    trained = {n.name: n.record for v in of if v.name == "loss" for n in v.plan.graph.nodes if n.type in channels.MODES}
    made: dict[tuple[str, str], Record] = {}
    for view in of:
        for node in view.plan.graph.nodes:
            if view.name != "loss" and node.name in trained and node.type in channels.MODES:
                train, test = channels.MODES[node.type](trained[node.name], node.record)
                made |= {("loss", node.name): train, (view.name, node.name): test}
    return made


def written(of: Sequence[View], source: str) -> tuple[TorchModel, tuple[str, ...]]:
    """As `export`; but a net that predicts is not lost for a loss or a measure that nothing is written for: the method
    that has it is left out, and the notes say why.
    """
    try:
        return export(of, source), _dense(of)
    except NetError:
        first, *others = of
        if first.name != "forward" or not others:
            raise
        export([first], source)  # of what is wrong with that, nothing can be left out
    kept, notes = [first], list[str]()
    for view in others:
        try:
            export([first, view], source)
            kept.append(view)
        except NetError as error:
            notes.append(f"left out: {view.name}(), as of {error.diagnostics[0].message}")
    return export(kept, source), (*notes, *_dense(kept))


def _dense(of: Sequence[View]) -> tuple[str, ...]:
    """A note on tables that netc updates by rows, and PyTorch does not."""
    names = [p.name for view in of if view.name == "loss" for p in view.plan.params if p.rows]
    said = "netc updates only the rows that a batch reads (lazy: true), PyTorch's optimizers all of them"
    return (f"{', '.join(names)}: {said}",) if names else ()


def _write(model: Model, options: Options) -> Made:
    found, notes = views(model, options)
    made, more = written(found, model.path.name)
    notes, first = (*notes, *more), found[0]
    checkable = Checkable(first.it.net, partial(PyTorch, first.it, export)) if first.name == "forward" else None
    weights = safetensors.parts({name: learned.array for name, learned in made.state.items()})
    return Made((made.text.encode(),), notes, {".safetensors": weights}, checkable)


FORMAT = Format((".py", ".torch"), _write, frozenset({"batch", "inputs"}))
