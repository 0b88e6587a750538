"""Inner product (fully connected layer).

Computes:
    y = x W^T + b, with x flattened from `axis` on: x is M x K, W is N x K (K x N with `transpose: true`) and N is
    `num_output`.

Shapes:
    The top keeps the bottom's axes before `axis`, then `num_output`.

Gradient:
    dx = dy W, dW = dy^T x (x^T dy with `transpose`), db = the sum of dy over M.

Caffe notes:
    One bottom, one top. The bias is there unless `bias_term: false`.
"""

from math import prod

import numpy as np

from netc.kernels.geometry import InnerProductGeometry
from netc.layer import MISSING_FIELD, Call, Example, Input, LayerType, ParamBlob, Refused, Setup, Site, Window
from netc.role import Role


def setup(site: Site) -> Setup:
    p, bottom = site.p, site.bottoms[0]
    if not p.num_output:
        site.refuse(MISSING_FIELD, "needs num_output, the number of outputs", "num_output")
    axis = site.axis(p.axis)
    g = InnerProductGeometry(prod(bottom[:axis]), prod(bottom[axis:]), p.num_output, p.transpose)
    weights = (g.inputs, g.outputs) if g.transpose else (g.outputs, g.inputs)
    params = [ParamBlob("weights", weights, p.weight_filler)]
    if p.bias_term:
        params.append(ParamBlob("bias", (g.outputs,), p.bias_filler))
    return Setup(
        tops=((*bottom[:axis], g.outputs),),
        params=tuple(params),
        reads=("x",),
        macs=g.rows * g.inputs * g.outputs,
        window=Window(whole=True),
        geometry=g,
    )


def forward(call: Call) -> None:
    g = call.known(InnerProductGeometry)
    x, y = call.bottoms[0].reshape(g.rows, g.inputs), call.tops[0].reshape(g.rows, g.outputs)
    weights = call.params[0] if g.transpose else call.params[0].T
    np.matmul(x, weights, out=y)
    if len(call.params) > 1:
        y += call.params[1]


def backward(call: Call) -> None:
    g = call.known(InnerProductGeometry)
    x, dy = call.bottoms[0].reshape(g.rows, g.inputs), call.top_diffs[0].reshape(g.rows, g.outputs)
    dw, dx = call.param_diffs[0], call.bottom_diffs[0]
    if dw is not None:
        dw += x.T @ dy if g.transpose else dy.T @ x
    if len(call.params) > 1 and (db := call.param_diffs[1]) is not None:
        db += dy.sum(0)
    if dx is not None:
        weights = call.params[0].T if g.transpose else call.params[0]
        np.matmul(dy, weights, out=dx.reshape(g.rows, g.inputs))


INNER_PRODUCT = LayerType(
    "InnerProduct",
    __doc__,
    setup,
    forward,
    backward,
    param="inner_product_param",
    role=Role(
        "product",
        called={
            "dense": "",
            "fc": "",
            "fullyconnected": "",
            "ip": "",
            "linear": '(or "Power" for a fixed scale and shift)',
        },
    ),
    examples=(
        Example('inner_product_param { num_output: 4 weight_filler { type: "gaussian" std: 0.3 } }'),
        Example(
            'inner_product_param { num_output: 4 axis: 2 bias_term: false weight_filler { type: "xavier" } }',
            inputs=(Input((2, 3, 4, 5)),),
        ),
        Example('inner_product_param { num_output: 3 transpose: true weight_filler { type: "msra" } }'),
    ),
    refuses=(Refused(MISSING_FIELD, "inner_product_param { bias_term: false }"),),
)
