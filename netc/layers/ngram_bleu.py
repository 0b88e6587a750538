"""NgramBLEU: how much of the n-grams of texts stands in what they should be (BLEU; Papineni et al. 2002).

Computes:
    BLEU of the first bottom's texts against the second's, as numbers of tokens: b exp(mean of log p_n), where p_n is
    the share of n-grams, n = 1 .. 4, that the reference has, too, and b = min(1, exp(1 - r / c)) for texts of c tokens
    in all with references of r. A text ends before its first token `stop`; tokens `ignore_label` are left out.

Shapes:
    Bottoms: texts and references, T x N (steps x texts), or N x T with `axis: 1`, the axis of the steps. The top is a
    scalar.

Gradient:
    None.

Caffe notes:
    Caffe has no such layer. Numbers are cut to integers. A test gives the BLEU of all of its texts together, which is
    not the mean of that of its batches. What a decoder gives where it is fed with the reference is judged so; for texts
    that a net generates by itself see `netc predict --references`.
"""

from math import prod

import numpy as np

from netc.kernels.bleu import Bleu, bleu_of
from netc.kernels.tally import counting
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    Arity,
    Array,
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
from netc.role import Role, whole
from netc.schema.declare import Message, optional

TOKENS = 8  # kinds of tokens in made-up texts: few, so that texts have some in common
PARAMETER = Message(
    "NgramBLEUParameter",
    (
        optional("axis", 1, "int32", 0, "The axis of the steps, 0 or 1.", origin="netc"),
        optional("stop", 2, "int32", doc="The token that ends a text.", origin="netc"),
        optional("ignore_label", 3, "int32", doc="Tokens that do not count (filling).", origin="netc"),
    ),
    doc="Fields of NgramBLEU.",
    origin="netc",
)


def setup(site: Site) -> Setup:
    if site.p.axis not in (0, 1):
        site.refuse(BAD_FIELD, f"axis: {site.p.axis} must be 0 or 1, the axis of the steps", "axis")
    texts = 1 - int(site.p.axis)
    flat = [len(shape) >= 2 and prod(shape[2:]) == 1 for shape in site.bottoms]
    if not all(flat) or site.bottoms[0][texts] != site.bottoms[1][texts]:
        shapes = " and ".join(map(format_shape, site.bottoms))
        message = f"needs steps x texts, as many texts as references, but has {shapes}"
        site.refuse(BAD_BOTTOM_SHAPE, message, "bottom", "axis", index=flat.index(False) if False in flat else 1)
    return Setup(tops=((),), reads=(), holds=(whole(TOKENS),) * 2)


def count(call: Call) -> Bleu:
    texts, references = (_texts(call, bottom) for bottom in call.bottoms)
    total = Bleu()
    for text, reference in zip(texts, references, strict=True):
        total = total.plus(bleu_of(text, reference))
    return total


def _texts(call: Call, bottom: Array) -> list[list[int]]:
    """The tokens of each text."""
    p, rows = call.p, bottom.reshape(bottom.shape[:2])
    rows = np.trunc(rows if p.axis == 1 else rows.T).astype(np.int64)
    found = []
    for row in rows:
        text = row.tolist()
        if p.has("stop") and p.stop in text:
            text = text[: text.index(p.stop)]
        found.append([token for token in text if not (p.has("ignore_label") and token == p.ignore_label)])
    return found


_TOKENS = Input((6, 3), "labels", 0, 5)

NGRAM_BLEU = LayerType(
    "NgramBLEU",
    __doc__,
    setup,
    counting(count),
    param="ngram_bleu_param",
    own=Param(
        optional("ngram_bleu_param", 2176, "NgramBLEUParameter", doc="Fields of NgramBLEU.", origin="netc"),
        (PARAMETER,),
    ),
    origin="netc",
    bottoms=Arity(2, 2),
    differentiable=False,
    role=Role("measure", end="measure", tallies=True),
    examples=(
        Example("ngram_bleu_param { stop: 3 ignore_label: 0 }", inputs=(_TOKENS, _TOKENS), phase="TEST"),
        Example(
            "ngram_bleu_param { axis: 1 }",
            inputs=(Input((2, 7, 1), "labels", 0, 3), Input((2, 5), "labels", 0, 3)),
            phase="TEST",
        ),
    ),
    refuses=(
        Refused(BAD_BOTTOM_SHAPE, bottoms=((6, 3), (6, 4))),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((6,), (6,))),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((6, 3, 2), (6, 3))),
        Refused(BAD_FIELD, "ngram_bleu_param { axis: 2 }", bottoms=((6, 3), (6, 3))),
    ),
)
