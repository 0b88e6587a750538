"""DigitScenes: images with handwritten digits here and there, and where each of them is.

Computes:
    Batches of scenes (top 0): 1 to `digits` of netc's digits (see Digits), each `smallest` to `largest` pixels a side,
    on black, no two of them on the same pixels; then noise of standard deviation `noise`. The second top says what is
    where. `answer: BOXES`: a row for each digit: item, class (the digit + 1; 0 is the background), number of the
    object, xmin, ymin, xmax, ymax of its ink (shares of the image), 0; rows that are not used are -1, as AnnotatedData
    has it. `answer: CLASSES`: the class of each pixel, 0 where there is no ink. Scene n of a split is the same for
    everybody; `train` and `test` use the digits of these splits. Batches are in order and start again after `scenes`;
    with `shuffle` every epoch has its own order. Pixels are 0..255; mean and scale of `transform_param` apply.

Shapes:
    batch_size x 1 x `height` x `width`, and 1 x 1 x (batch_size * `digits`) x 8 or batch_size x 1 x height x width.

Gradient:
    None.

Caffe notes:
    Caffe has no such layer; `netc expand` leaves it as it is. It is there so that detectors and segmentation nets have
    data that everybody has.
"""

from netc.layer import (
    BAD_FIELD,
    MISSING_FIELD,
    NONE,
    UNSUPPORTED,
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

APPLIES = {"scale", "mean_value"}
DIGIT_SCENES_PARAMETER = Message(
    "DigitScenesParameter",
    (
        optional("split", 1, "string", "train", "train or test: whose digits.", origin="netc"),
        optional("batch_size", 2, "uint32", 0, "Scenes in a batch.", origin="netc"),
        optional("scenes", 3, "uint32", 1000, "How many scenes there are.", origin="netc"),
        optional("height", 4, "uint32", 48, "Of a scene, in pixels.", origin="netc"),
        optional("width", 5, "uint32", 48, "Of a scene, in pixels.", origin="netc"),
        optional("digits", 6, "uint32", 3, "Most digits in a scene.", origin="netc"),
        optional("smallest", 7, "uint32", 12, "Side of the smallest digits, in pixels.", origin="netc"),
        optional("largest", 8, "uint32", 20, "Side of the largest digits, in pixels.", origin="netc"),
        optional("noise", 9, "float", 16.0, "Standard deviation of the noise.", origin="netc"),
        optional("answer", 10, "Answer", "BOXES", "What the second top holds.", origin="netc"),
        optional("shuffle", 11, "bool", False, "Another order in every epoch.", origin="netc"),
        *PART,
    ),
    (Enum("Answer", {"BOXES": 0, "CLASSES": 1}),),
    doc="Scenes of handwritten digits.",
    origin="netc",
)


def setup(site: Site) -> Setup:
    p = site.p
    if p.split not in {"train", "test"}:
        site.refuse(BAD_FIELD, f'split: "{p.split}" must be "train" or "test"', "split")
    if not p.batch_size:
        site.refuse(MISSING_FIELD, "needs batch_size, the number of scenes in a batch", "batch_size")
    for field in ("scenes", "height", "width", "digits", "smallest"):
        if not getattr(p, field):
            site.refuse(BAD_FIELD, f"{field} must be at least 1", field)
    if not p.smallest <= p.largest <= min(p.height, p.width):
        message = f"digits of {p.smallest} to {p.largest} pixels do not go into {p.height} x {p.width}"
        site.refuse(BAD_FIELD, message, "largest" if p.has("largest") else "smallest")
    if not 0 <= p.noise < 1e6:
        site.refuse(BAD_FIELD, f"noise: {p.noise:g} must be 0 or more", "noise")
    for name in site.record.transform_param.values:
        if name not in APPLIES:
            message = f"transform_param: {name} would move the scenes from under their answers"
            site.refuse(UNSUPPORTED, message, name, help="scale and mean_value apply here")
    scenes = (p.batch_size, 1, p.height, p.width)
    answers = scenes if p.answer == "CLASSES" else (1, 1, p.batch_size * p.digits, 8)
    return Setup(tops=(scenes, answers)[: site.top_count], reads=())


DIGIT_SCENES = LayerType(
    "DigitScenes",
    __doc__,
    setup,
    param="digit_scenes_param",
    also=("transform_param",),
    own=Param(
        optional(
            "digit_scenes_param", 1108, "DigitScenesParameter", doc="Fields of DigitScenes layers.", origin="netc"
        ),
        (DIGIT_SCENES_PARAMETER,),
    ),
    bottoms=NONE,
    tops=Arity(1, 2),
    source=True,
    origin="netc",
    role=Role("source"),
    examples=(
        Example("digit_scenes_param { batch_size: 4 }", inputs=(), tops=2),
        Example("digit_scenes_param { batch_size: 2 height: 24 width: 32 digits: 1 answer: CLASSES }", (), tops=2),
    ),
    refuses=(
        Refused(MISSING_FIELD, 'digit_scenes_param { split: "train" }', bottoms=(), tops=2),
        Refused(BAD_FIELD, 'digit_scenes_param { split: "all" batch_size: 1 }', bottoms=(), tops=2),
        Refused(BAD_FIELD, "digit_scenes_param { batch_size: 1 digits: 0 }", bottoms=(), tops=2),
        Refused(BAD_FIELD, "digit_scenes_param { batch_size: 1 height: 16 }", bottoms=(), tops=2),
        Refused(BAD_FIELD, "digit_scenes_param { batch_size: 1 noise: -1 }", bottoms=(), tops=2),
        Refused(UNSUPPORTED, "digit_scenes_param { batch_size: 1 } transform_param { mirror: true }", (), tops=2),
    ),
)
