"""The target ONNX: the net that predicts, with its parameters, as one file that runs anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from netc.convert.model import Checkable, Format, Made, Model, Options
from netc.convert.onnx.export import WRITERS, graph_of
from netc.convert.onnx.message import OnnxModel, model_of
from netc.convert.onnx.metadata import metadata_of
from netc.convert.onnx.opsets import OPSET, check_opset
from netc.convert.onnx.runner import OnnxRuntime
from netc.convert.onnx.sizes import Sizes, sizes_of
from netc.convert.predicting import TAKES, Predicting, build

__all__ = ["FORMAT", "WRITERS", "export"]


def export(
    it: Predicting,
    sizes: Sizes | None = None,
    *,
    opset: int = OPSET,
    domain: str = "",
    metadata: Mapping[str, str] | None = None,
) -> OnnxModel:
    """The net as ONNX: its inputs, its outputs under their blobs' names, its parameters as arrays.

    Raises NetError: CNV003 without the package; CNV010, CNV011 and CNV016 for every layer that ONNX has nothing for;
    CNV017, CNV018.
    """
    check_opset(opset)
    return model_of(graph_of(it, sizes, domain), opset, metadata or {})


def _write(model: Model, options: Options) -> Made:
    it, notes = build(model, options)
    sizes = sizes_of(it.plan, options.dynamic)
    opset = OPSET if options.opset is None else options.opset
    made = export(it, sizes, opset=opset, domain=options.domain, metadata=metadata_of(model, it, options))
    if made.own:
        unchecked = f"onnxruntime has no {' and no '.join(made.own)}, which is a node of {options.domain}'s own"
        return Made(made.parts, (*notes, *made.notes), unchecked=unchecked)
    checkable = Checkable(it.net, partial(OnnxRuntime, made), sizes.inputs)
    return Made(made.parts, (*notes, *made.notes), checkable=checkable)


FORMAT = Format((".onnx",), _write, TAKES | {"dynamic", "opset", "domain", "labels"})
