"""Scaled dot-product attention (Vaswani et al. 2017).

Computes:
    y = softmax(scale q k^T) v for each head: the values are cut into `num_heads` equal parts, each attends on its own.
    scale is 1 / sqrt(D / num_heads) unless given. With `causal` position t sees positions 0 .. t only. Where a fourth
    bottom (N x S) is 0, that position of k and v is not seen by anybody.

Shapes:
    Bottoms: q (N x T x D), k (N x S x D), v (N x S x E), and perhaps a mask (N x S). The top is N x T x E. D and
    E divide by `num_heads`.

Gradient:
    With p the attention: dv = p^T dy; ds = p (dp - sum of dp p) with dp = dy v^T; dq = scale ds k; dk = scale ds^T q.
    The mask takes none.

Caffe notes:
    Caffe has no such layer; the projections before and after it are InnerProduct layers with `axis: 2`. A position
    that sees nothing gives 0.
"""

from math import sqrt

import numpy as np

from netc.kernels.geometry import AttentionGeometry
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    Arity,
    Array,
    Buffer,
    Call,
    Example,
    Input,
    LayerType,
    Param,
    Refused,
    Setup,
    Site,
    format_shape,
)
from netc.role import ANYTHING, Holds, Role
from netc.schema.declare import Field, Message, optional

OWN = Param(
    Field("attention_param", 2102, "AttentionParameter", "Fields of Attention layers.", origin="netc"),
    (
        Message(
            "AttentionParameter",
            (
                optional("num_heads", 1, "uint32", 1, "Parts of the values that attend on their own."),
                optional("causal", 2, "bool", False, "A position sees itself and what is before it only."),
                optional("scale", 3, "float", doc="Factor of q k^T; 1 / sqrt(D / num_heads) if unset."),
            ),
            doc="Scaled dot-product attention.",
            origin="netc",
        ),
    ),
)


def setup(site: Site) -> Setup:
    p, (q, k, v) = site.p, site.bottoms[:3]
    if len(q) != 3 or len(k) != 3 or len(v) != 3 or k[:2] != v[:2] or q[0] != k[0] or q[2] != k[2]:
        shapes = ", ".join(map(format_shape, site.bottoms))
        site.refuse(BAD_BOTTOM_SHAPE, f"needs bottoms N x T x D, N x S x D and N x S x E, but has {shapes}", "bottom")
    if len(site.bottoms) == 4 and site.bottoms[3] != k[:2]:
        message = f"the mask must be {format_shape(k[:2])}, but is {format_shape(site.bottoms[3])}"
        site.refuse(BAD_BOTTOM_SHAPE, message, "bottom")
    if not p.num_heads or q[2] % p.num_heads or v[2] % p.num_heads:
        site.refuse(BAD_FIELD, f"num_heads is {p.num_heads}: it must divide {q[2]} and {v[2]}", "num_heads")
    scale = p.scale if p.has("scale") else 1 / sqrt(q[2] / p.num_heads)
    return Setup(
        tops=((q[0], q[1], v[2]),),
        buffers=(Buffer("prob", (q[0], p.num_heads, q[1], k[1])),),
        reads=("x0", "x1", "x2"),
        holds=(ANYTHING, ANYTHING, ANYTHING, Holds("binary")),
        macs=q[0] * q[1] * k[1] * (q[2] + v[2]),
        geometry=AttentionGeometry(p.num_heads, scale),
    )


def _heads(array: Array, heads: int) -> Array:
    """N x T x D as N x heads x T x D/heads, a view."""
    return array.reshape(array.shape[0], array.shape[1], heads, -1).transpose(0, 2, 1, 3)


def forward(call: Call) -> None:
    g = call.known(AttentionGeometry)
    q, k, v = (_heads(bottom, g.heads) for bottom in call.bottoms[:3])
    prob = call.buffers["prob"]
    np.matmul(q * g.scale, k.swapaxes(-1, -2), out=prob)
    if call.p.causal:
        prob[..., np.triu(np.ones(prob.shape[-2:], np.bool_), 1)] = -np.inf
    if len(call.bottoms) > 3:
        np.copyto(prob, -np.inf, where=(call.bottoms[3] == 0)[:, None, None, :])
    largest = prob.max(axis=-1, keepdims=True)
    prob -= np.where(largest == -np.inf, 0, largest)
    np.exp(prob, out=prob)
    total = prob.sum(axis=-1, keepdims=True)
    prob /= np.where(total == 0, 1, total)
    _heads(call.tops[0], g.heads)[...] = prob @ v


def backward(call: Call) -> None:
    g = call.known(AttentionGeometry)
    q, k, v = (_heads(bottom, g.heads) for bottom in call.bottoms[:3])
    prob, dy = call.buffers["prob"], _heads(call.top_diffs[0], g.heads)
    dq, dk, dv = call.bottom_diffs[:3]
    if dv is not None:
        _heads(dv, g.heads)[...] = prob.swapaxes(-1, -2) @ dy
    if dq is None and dk is None:
        return
    ds = dy @ v.swapaxes(-1, -2)
    ds -= (ds * prob).sum(axis=-1, keepdims=True)
    ds *= prob * g.scale
    if dq is not None:
        _heads(dq, g.heads)[...] = ds @ k
    if dk is not None:
        _heads(dk, g.heads)[...] = ds.swapaxes(-1, -2) @ q


_BOTTOMS = (Input((2, 3, 4)), Input((2, 5, 4)), Input((2, 5, 6)))

ATTENTION = LayerType(
    "Attention",
    __doc__,
    setup,
    forward,
    backward,
    param="attention_param",
    own=OWN,
    origin="netc",
    bottoms=Arity(3, 4),
    differentiable=(True, True, True, False),
    role=Role("product", called={"multiheadattention": "with `attention_param { num_heads: ... }`"}),
    examples=(
        Example("attention_param { num_heads: 2 }", inputs=_BOTTOMS),
        Example("attention_param { causal: true scale: 0.7 }", inputs=(Input((2, 4, 3)),) * 3),
        Example(inputs=(*_BOTTOMS, Input((2, 5), "values", values=(1, 1, 0, 1, 0, 0, 0, 0, 0, 0)))),
    ),
    refuses=(
        Refused(BAD_BOTTOM_SHAPE, bottoms=((2, 3, 4), (2, 5, 3), (2, 5, 6))),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((2, 3, 4), (2, 5, 4), (2, 5, 6), (2, 4))),
        Refused(BAD_FIELD, "attention_param { num_heads: 3 }", bottoms=((2, 3, 4), (2, 5, 4), (2, 5, 6))),
    ),
)
