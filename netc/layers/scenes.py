"""Scenes: handwritten digits of several sizes somewhere on a noisy ground, for detectors and for marking pixels.

Computes:
    Batches of grey images (top 0), pixels 0..1, with `least` to `most` digits of `smallest` to `largest` pixels a side
    that do not overlap, and normal noise of standard deviation `noise`. If there is a second top it says what is there:
    with `truth: BOXES` the boxes around the ink, rows as AnnotatedData gives them; with PIXELS the class of each pixel.
    Digit d is class d + 1, the ground 0. Scene n is the same for everybody: 2,000 of the `train` split of Digits, 500
    of the `test` split. Batches are in order and start again at the end; with `shuffle` every epoch has its own order.

Shapes:
    batch_size x 1 x height x width; boxes 1 x 1 x (batch_size * `most`) x 8, with rows of -1 after the last one, or
    pixels batch_size x 1 x height x width.

Gradient:
    None.

Caffe notes:
    Caffe has no such layer; `netc expand` leaves it as it is. Boxes are shares of the image: item of the batch, class,
    number of the digit, xmin, ymin, xmax, ymax, difficult (0).
"""

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
from netc.schema.choosing import PART
from netc.schema.declare import Enum, Message, optional
from netc.setups.choosing import check_choice

_NAME = "ScenesParameter"
PARAMETER = Message(
    _NAME,
    (
        optional("split", 1, "string", "train", "Whose digits: train or test."),
        optional("batch_size", 2, "uint32", 0, "Images in a batch."),
        optional("shuffle", 3, "bool", False, "Another order in every epoch."),
        optional("truth", 4, f"{_NAME}.Truth", "BOXES", "What the second top says."),
        optional("height", 5, "uint32", 48, "Rows of an image."),
        optional("width", 6, "uint32", 48, "Columns of an image."),
        optional("least", 7, "uint32", 1, "Fewest digits of a scene."),
        optional("most", 8, "uint32", 3, "Most digits of a scene."),
        optional("smallest", 9, "uint32", 12, "Smallest side of a digit, in pixels."),
        optional("largest", 10, "uint32", 24, "Largest side of a digit, in pixels."),
        optional("noise", 11, "float", 0.1, "Standard deviation of the noise; the ink is 1."),
        *PART,
    ),
    (Enum("Truth", {"BOXES": 0, "PIXELS": 1}, "What is known of a scene."),),
    doc="Scenes of handwritten digits.",
    origin="netc",
)


def setup(site: Site) -> Setup:
    p = site.p
    if p.split not in {"train", "test"}:
        site.refuse(BAD_FIELD, f'split: "{p.split}" must be "train" or "test"', "split")
    if not p.batch_size:
        site.refuse(MISSING_FIELD, "needs batch_size, the number of images in a batch", "batch_size")
    if not 1 <= p.least <= p.most:
        site.refuse(BAD_FIELD, f"least: {p.least} must be at least 1, and at most `most`: {p.most}", "least", "most")
    if not 4 <= p.smallest <= p.largest <= min(p.height, p.width):
        message = (
            f"digits of {p.smallest} to {p.largest} pixels: from 4, and at most {min(p.height, p.width)} as the image"
        )
        site.refuse(BAD_FIELD, message, "largest", "smallest")
    if p.noise < 0:
        site.refuse(BAD_FIELD, f"noise: {p.noise:g} must not be negative", "noise")
    check_choice(site, labels=False)
    image = (p.batch_size, 1, p.height, p.width)
    truth = image if p.truth == "PIXELS" else (1, 1, p.batch_size * p.most, 8)
    return Setup(tops=(image, truth)[: site.top_count], reads=())


SCENES = LayerType(
    "Scenes",
    __doc__,
    setup,
    param="scenes_param",
    own=Param(optional("scenes_param", 1128, _NAME, doc="Fields of Scenes layers.", origin="netc"), (PARAMETER,)),
    bottoms=NONE,
    tops=Arity(1, 2),
    source=True,
    origin="netc",
    role=Role("source"),
    examples=(
        Example('scenes_param { split: "train" batch_size: 16 shuffle: true }', inputs=(), tops=2),
        Example("scenes_param { batch_size: 8 truth: PIXELS most: 5 noise: 0.2 }", inputs=(), tops=2),
    ),
    refuses=(
        Refused(MISSING_FIELD, bottoms=(), tops=2),
        Refused(BAD_FIELD, 'scenes_param { split: "all" batch_size: 1 }', bottoms=(), tops=2),
        Refused(BAD_FIELD, "scenes_param { batch_size: 1 least: 4 }", bottoms=(), tops=2),
        Refused(BAD_FIELD, "scenes_param { batch_size: 1 largest: 49 }", bottoms=(), tops=2),
        Refused(BAD_FIELD, "scenes_param { batch_size: 1 noise: -1 }", bottoms=(), tops=2),
    ),
)
