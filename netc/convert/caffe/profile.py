"""What a tool's Caffe reader takes: a table of layer types, and of each what it reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from netc.convert.caffe.draft import Draft, Layer

ANY = None
"""All fields of a type's message are read."""


@dataclass(frozen=True)
class Takes:
    """What is taken of a layer type.

    fields: of its message, that are read; ANY for all. Others must have their defaults, as they would be ignored.
    only: values that a field may have. one: repeated fields of which only the first value is read. ranks: numbers of
    axes of the first bottom; bottoms: how many. axes: fields that count axes and must not be negative.
    where: says what speaks against a layer besides, or "".
    """

    fields: frozenset[str] | None = ANY
    only: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    one: tuple[str, ...] = ()
    ranks: tuple[int, ...] = ()
    bottoms: tuple[int, ...] = ()
    axes: tuple[str, ...] = ()
    where: Callable[[Draft, Layer], str] | None = None


def reads(*fields: str, **more: Any) -> Takes:
    """A type of which these fields are read."""
    return Takes(frozenset(fields), **more)


@dataclass(frozen=True)
class Profile:
    """A tool. source: where its reader, or what it says of it, can be read; types: by the names that it knows.

    adds: fields that it wants to be written where they would be defaults. apart: characters that a name must not have.
    """

    tool: str
    source: str
    types: Mapping[str, Takes]
    adds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    apart: str = ""

    def problem(self, draft: Draft, layer: Layer) -> tuple[str, str | None] | None:
        """What speaks against a layer, and which field it is about; None if the tool takes it.

        The field is None where it is the type, and "" where it is neither.
        """
        takes = self.types.get(layer.type)
        if takes is None:
            return f"{self.tool} has nothing for the layer type {layer.type}", None
        message, known = message_of(layer), draft.schema.message("LayerParameter")
        declared = known.field(message).message if message else None
        for name, value in (layer.of(message) if message else {}).items():
            default = declared.default(name) if declared else None
            if takes.fields is not ANY and name not in takes.fields and value != default:
                return f"{self.tool} does not read {name} of {layer.type}", name
            if name in takes.only and value not in takes.only[name]:
                shown = " or ".join(map(str, takes.only[name]))
                return f"{self.tool} takes {name}: {shown} of {layer.type} only, not {value}", name
            if name in takes.one and len(set(value)) > 1:
                return f"{self.tool} reads one {name} of {layer.type} for all axes", name
            if name in takes.axes and value < 0:
                return f"{self.tool} counts {name} of {layer.type} from the front only", name
        return self._shapes(draft, layer, takes)

    def _shapes(self, draft: Draft, layer: Layer, takes: Takes) -> tuple[str, str | None] | None:
        rank = len(draft.shapes[(layer.bottoms or layer.tops)[0]])
        if takes.ranks and rank not in takes.ranks:
            shown = " or ".join(map(str, takes.ranks))
            return f"{self.tool} takes {layer.type} of {shown} axes only, not {rank}", ""
        if takes.bottoms and len(layer.bottoms) not in takes.bottoms:
            return f"{self.tool} does not take {layer.type} with {len(layer.bottoms)} bottoms", ""
        if layer.type == "Eltwise" and len({draft.shapes[bottom] for bottom in layer.bottoms}) > 1:
            return f"{self.tool} takes Eltwise of bottoms of one shape only, and repeats nothing", ""
        said = takes.where(draft, layer) if takes.where else ""
        return (f"{self.tool} does not take {layer.type} {said}", "") if said else None

    def name(self, name: str) -> str:
        """A name that the tool can read."""
        return re.sub(f"[{re.escape(self.apart)}]", "_", name) if self.apart else name


def message_of(layer: Layer) -> str:
    """The field of LayerParameter that holds the fields of a layer of this type, or ""."""
    return MESSAGES.get(layer.type, layer.node.type.param or "")


MESSAGES = {
    "BatchNorm": "batch_norm_param",
    "Clip": "clip_param",
    "Concat": "concat_param",
    "Convolution": "convolution_param",
    "ConvolutionDepthwise": "convolution_param",
    "Deconvolution": "convolution_param",
    "Eltwise": "eltwise_param",
    "Flatten": "flatten_param",
    "InnerProduct": "inner_product_param",
    "LRN": "lrn_param",
    "Permute": "permute_param",
    "Pooling": "pooling_param",
    "Power": "power_param",
    "ReLU": "relu_param",
    "ReLU6": "relu6_param",
    "Reshape": "reshape_param",
    "Scale": "scale_param",
    "Sigmoid": "",
    "Slice": "slice_param",
}
"""Of types that others are rewritten as."""
