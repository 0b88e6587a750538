"""Layers that may write over what they read do so, as published nets have it."""

from __future__ import annotations

from netc.convert.caffe.draft import Draft, Layer


def share(draft: Draft) -> None:
    """Give a top its bottom's name where the layer alone reads that, and treats each value by itself."""
    made = {top: layer for layer in draft.layers for top in layer.tops}
    for layer in draft.layers:
        if not _may(draft, layer, made):
            continue
        bottom, top = layer.bottoms[0], layer.tops[0]
        old, name = draft.names[bottom], draft.names[top] if top in draft.outputs else draft.names[bottom]
        for blob, called in list(draft.names.items()):
            if called == old and blob in made:
                draft.names[blob] = name
        draft.names[top] = name


def _may(draft: Draft, layer: Layer, made: dict[int, Layer]) -> bool:
    if len(layer.bottoms) != 1 or len(layer.tops) != 1 or layer.type not in POINTWISE:
        return False
    bottom = layer.bottoms[0]
    alone = len(draft.readers(bottom)) == 1 and bottom not in draft.outputs
    return alone and bottom in made and not made[bottom].node.type.source


POINTWISE = frozenset({"BatchNorm", "ELU", "PReLU", "Power", "ReLU", "ReLU6", "Scale", "Sigmoid", "TanH"})
