"""Parameters that the files store in FP16, rounded where they are, so that what is checked is what is stored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from netc.convert.caffe.draft import Draft
from netc.convert.parameters import HALVED, half_of
from netc.convert.predicting import Predicting


def halved(draft: Draft, net: Predicting) -> tuple[Predicting, bool]:
    """Round the draft's parameters to FP16. Gives the net with the same, and whether it has the same everywhere: what
    was folded into a layer is rounded with it. Raises NetError (CNV009) for values beyond FP16's range.
    """
    blobs, same = list(net.blobs), True
    for at, layer in enumerate(draft.layers):
        if layer.type not in HALVED or not layer.blobs:
            continue
        rounded = tuple(
            half_of(blob, f'blob {i} of layer "{layer.name}"').astype(np.float32) for i, blob in enumerate(layer.blobs)
        )
        own = net.plan.layers[layer.node.index].params
        if len(own) == len(rounded) and all(
            np.array_equal(net.blobs[i].reshape(-1), blob.reshape(-1)) for i, blob in zip(own, layer.blobs, strict=True)
        ):
            for i, blob in zip(own, rounded, strict=True):
                blobs[i] = blob.reshape(blobs[i].shape)
        else:
            same = False
        draft.layers[at] = replace(layer, blobs=rounded)
    return replace(net, blobs=tuple(blobs)), same
