"""Embedding: a learned vector for each index.

Computes:
    y = W[x] (+ b): row x of a table with `input_dim` rows.

Shapes:
    The top has the bottom's shape and one axis more, of `num_output`. Blobs: weights (input_dim x num_output), bias.

Gradient:
    dW[x] += dy for each index; db = the sum of dy. The indices take none.

Caffe notes:
    Indices are floats, cut to integers; one outside 0 .. input_dim - 1 (or NaN) is an error. With `param { lazy:
    true }`, which Caffe does not have, only the rows that a batch reads are updated.
"""

from math import prod

import numpy as np

from netc.kernels.labels import INDEX_OUT_OF_RANGE, indices
from netc.kernels.rows import add_rows
from netc.layer import MISSING_FIELD, Buffer, Call, Example, Input, LayerType, ParamBlob, Refused, Setup, Site
from netc.role import Role, whole


def setup(site: Site) -> Setup:
    p, bottom = site.p, site.bottoms[0]
    if not p.num_output:
        site.refuse(MISSING_FIELD, "needs num_output, the length of a vector", "num_output")
    if not p.input_dim:
        site.refuse(MISSING_FIELD, "needs input_dim, the number of vectors", "input_dim")
    params = [ParamBlob("weights", (p.input_dim, p.num_output), p.weight_filler, rows=max(prod(bottom), 1))]
    if p.bias_term:
        params.append(ParamBlob("bias", (p.num_output,), p.bias_filler))
    return Setup(
        tops=((*bottom, p.num_output),),
        params=tuple(params),
        buffers=(Buffer("indices", (prod(bottom),), "int64"),),
        reads=(),
        holds=(whole(p.input_dim),),
    )


def forward(call: Call) -> None:
    weights = call.params[0]
    found = indices(call.record, call.bottoms[0], weights.shape[0])
    call.buffers["indices"][:] = found
    y = call.tops[0].reshape(found.size, -1)
    np.take(weights, found, axis=0, out=y)
    if len(call.params) > 1:
        y += call.params[1]


def backward(call: Call) -> None:
    found = call.buffers["indices"]
    dy = call.top_diffs[0].reshape(found.size, -1)
    if (dw := call.param_diffs[0]) is not None:
        add_rows(dw, call.placed(0, found), dy)
    if len(call.params) > 1 and (db := call.param_diffs[1]) is not None:
        db += dy.sum(axis=0)


_FILLER = 'weight_filler { type: "gaussian" std: 0.3 }'

EMBED = LayerType(
    "Embed",
    __doc__,
    setup,
    forward,
    backward,
    param="embed_param",
    differentiable=False,
    codes=(INDEX_OUT_OF_RANGE,),
    role=Role("product", called={"embedding": ""}),
    examples=(
        Example(
            f"embed_param {{ num_output: 5 input_dim: 11 {_FILLER} bias_filler {{ value: 0.5 }} }}",
            inputs=(Input((4, 3), "labels", 0, 11),),
        ),
        Example(
            f"embed_param {{ num_output: 3 input_dim: 4 bias_term: false {_FILLER} }}",
            inputs=(Input((9,), "labels", 0, 4),),
        ),
    ),
    refuses=(
        Refused(MISSING_FIELD, "embed_param { input_dim: 4 }"),
        Refused(MISSING_FIELD, "embed_param { num_output: 4 }"),
    ),
)
