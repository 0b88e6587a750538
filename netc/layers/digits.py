"""Digits: 1,797 scans of handwritten digits, which come with netc.

Computes:
    Batches of images (top 0) and, if there is a second top, of their labels 0..9. The `test` split has 400 images drawn
    once and for all, `train` the other 1,397; `all` is both. Batches are in order and start again at the end; with
    `shuffle` every epoch has its own order. Pixels, 0..16 in the data, are multiplied by `scale`; then they are
    transformed as `transform_param` says. They are the test set of UCI's Optical Recognition of Handwritten Digits
    (Alpaydin & Kaynak 1998), as scikit-learn has it.

Shapes:
    batch_size x 1 x 8 x 8, or as large as `transform_param` makes them, and batch_size.

Gradient:
    None.

Caffe notes:
    Caffe has no such layer; `netc expand` leaves it as it is.
"""

from netc.kernels.image_shape import image_shape
from netc.layer import (
    BAD_FIELD,
    MISSING_FIELD,
    NONE,
    Arity,
    Example,
    LayerType,
    Param,
    Refused,
    Setup,
    Site,
)
from netc.role import Role
from netc.schema.choosing import CLASSES, PART
from netc.schema.declare import Message, optional
from netc.setups.choosing import check_choice

DIGITS_PARAMETER = Message(
    "DigitsParameter",
    (
        optional("split", 1, "string", "train", "train, test or all.", origin="netc"),
        optional("batch_size", 2, "uint32", 0, "Images in a batch.", origin="netc"),
        optional("shuffle", 3, "bool", False, "Another order in every epoch.", origin="netc"),
        optional("scale", 4, "float", 0.0625, "Multiplies the pixels, which are 0..16.", origin="netc"),
        *PART,
        *CLASSES,
    ),
    doc="The handwritten digits that come with netc.",
    origin="netc",
)


def setup(site: Site) -> Setup:
    p = site.p
    if p.split not in {"train", "test", "all"}:
        site.refuse(BAD_FIELD, f'split: "{p.split}" must be "train", "test" or "all"', "split")
    if not p.batch_size:
        site.refuse(MISSING_FIELD, "needs batch_size, the number of images in a batch", "batch_size")
    check_choice(site)
    if site.given is not None:
        return Setup(tops=site.given, reads=())
    crop = image_shape(site.record.transform_param)
    image = (1, *crop[1:]) if crop is not None else (1, 8, 8)
    return Setup(tops=((p.batch_size, *image), (p.batch_size,))[: site.top_count], reads=())


DIGITS = LayerType(
    "Digits",
    __doc__,
    setup,
    param="digits_param",
    also=("transform_param",),
    own=Param(
        optional("digits_param", 1101, "DigitsParameter", doc="Fields of Digits layers.", origin="netc"),
        (DIGITS_PARAMETER,),
    ),
    bottoms=NONE,
    tops=Arity(1, 2),
    source=True,
    origin="netc",
    role=Role("source"),
    examples=(
        Example('digits_param { split: "train" batch_size: 64 }', inputs=(), tops=2),
        Example('digits_param { split: "test" batch_size: 100 }', inputs=()),
        Example(
            "digits_param { batch_size: 8 classes: 0 classes: 1 together: 4 } transform_param { crop_size: 6 }", ()
        ),
    ),
    refuses=(
        Refused(BAD_FIELD, "digits_param { batch_size: 10 together: 4 }", bottoms=()),
        Refused(MISSING_FIELD, 'digits_param { split: "train" }', bottoms=(), tops=2),
        Refused(BAD_FIELD, 'digits_param { split: "validation" batch_size: 1 }', bottoms=(), tops=2),
    ),
)
