"""Verification: how well a net tells pairs that belong together from others (Siamese and triplet nets).

Computes:
    Of pairs with a score each, and whether they belong together: the area under the ROC curve (AUC), the equal error
    rate (EER), at which as large a share of the wrong pairs is accepted as of the right ones is rejected, and the
    threshold at which that is so. With `compare: SIMILARITY` larger scores are more alike, with DISTANCE smaller ones.
    With EUCLIDEAN or COSINE the bottoms are vectors and their classes, and all pairs of a batch are compared.

Shapes:
    Bottoms: N scores and N labels (0: different), or vectors N x D and N classes. Tops: AUC, EER, threshold, each a
    scalar.

Gradient:
    None.

Caffe notes:
    Caffe has no such layer. A test gives the figures of all of its pairs together. Equal scores count half in the AUC;
    the EER lies between two thresholds on the straight line between their points. NaN without pairs of both kinds. The
    cosine is told as it is, the larger the more alike.
"""

from math import prod

import numpy as np

from netc.kernels.likeness import likeness
from netc.kernels.ranking import Ranked
from netc.kernels.tally import counting
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    Arity,
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
from netc.role import Role
from netc.schema.declare import Enum, Message, optional

_COMPARE = {"SIMILARITY": 0, "DISTANCE": 1, "EUCLIDEAN": 2, "COSINE": 3}
PARAMETER = Message(
    "VerificationParameter",
    (optional("compare", 1, "VerificationParameter.Compare", "SIMILARITY", "What the bottoms are.", origin="netc"),),
    (Enum("Compare", _COMPARE, "Scores of pairs, or vectors that are compared."),),
    doc="Fields of Verification.",
    origin="netc",
)


def setup(site: Site) -> Setup:
    first, labels = site.bottoms
    vectors = site.p.compare in ("EUCLIDEAN", "COSINE")
    if prod(labels) != (first[0] if vectors and first else prod(first)) or (vectors and len(first) < 2):
        wanted = "vectors N x D and N classes" if vectors else "N scores and N labels"
        shapes = f"{format_shape(first)} and {format_shape(labels)}"
        site.refuse(BAD_BOTTOM_SHAPE, f"needs {wanted}, but has {shapes}", "bottom", "compare")
    return Setup(tops=((), (), ())[: site.top_count], reads=())


def count(call: Call) -> Ranked:
    values, labels, how = call.bottoms[0].astype(np.float64), call.bottoms[1].reshape(-1), call.p.compare
    if how in ("SIMILARITY", "DISTANCE"):
        sign = 1 if how == "SIMILARITY" else -1
        return Ranked((sign * values.reshape(-1),), (labels != 0,), sign)
    one, other = np.triu_indices(len(values), 1)
    alike, same = likeness(values, how)[one, other], labels[one] == labels[other]
    return Ranked((alike,), (same,), -1 if how == "EUCLIDEAN" else 1)


_LABELS = Input((12,), "values", values=(0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 0))
_CLASSES = Input((6,), "values", values=(0, 1, 1, 0, 2, 2))

VERIFICATION = LayerType(
    "Verification",
    __doc__,
    setup,
    counting(count),
    param="verification_param",
    own=Param(
        optional("verification_param", 2175, "VerificationParameter", doc="Fields of Verification.", origin="netc"),
        (PARAMETER,),
    ),
    origin="netc",
    bottoms=Arity(2, 2),
    tops=Arity(1, 3),
    differentiable=False,
    role=Role("measure", end="measure", tallies=True),
    examples=(
        Example(inputs=(Input((12,), "distinct"), _LABELS), tops=3, phase="TEST"),
        Example("verification_param { compare: DISTANCE }", inputs=(Input((12, 1), "uniform"), _LABELS), phase="TEST"),
        Example("verification_param { compare: EUCLIDEAN }", inputs=(Input((6, 4)), _CLASSES), tops=2, phase="TEST"),
        Example("verification_param { compare: COSINE }", inputs=(Input((6, 2, 2)), _CLASSES), tops=3, phase="TEST"),
    ),
    refuses=(
        Refused(BAD_BOTTOM_SHAPE, bottoms=((4, 3), (4,))),
        Refused(BAD_BOTTOM_SHAPE, "verification_param { compare: COSINE }", bottoms=((4,), (4,))),
    ),
)
