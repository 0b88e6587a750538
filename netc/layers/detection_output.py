"""DetectionOutput: boxes from SSD's predictions (Liu et al. 2016).

Computes:
    Bottoms are predicted offsets, confidences and prior boxes. For each image and each class but the background, the
    boxes of a confidence above `confidence_threshold`, the best `top_k` of them, without those that overlap a better
    one by more than `nms_threshold` (non-maximum suppression); of all classes together the best `keep_top_k`.

Shapes:
    1 x 1 x detections x 7: image, class, confidence, xmin, ymin, xmax, ymax. The number of detections is known only
    after forward; planned is the most there can be. Without any detection there is one row (image, -1, -1, ...) for
    each image.

Gradient:
    None.

Caffe notes:
    A layer of the SSD fork. Rows stand by image, then class, then confidence. `eta` below 1 lowers the threshold after
    each kept box. Predictions are num x (priors * 4), or num x (priors * classes * 4) without `share_location`;
    confidences num x (priors * classes). Writing result files and drawing (`save_output_param`, `visualize`) is not
    done. A NaN confidence is never kept.
"""

from math import prod

import numpy as np

from netc.kernels.boxes import CODES, decode
from netc.kernels.detections import COLUMNS, DetectionGeometry, detections, write_none
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    MISSING_FIELD,
    UNSUPPORTED,
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
from netc.role import Role
from netc.schema.declare import Message, optional

NO_FILES, NO_DRAWING = "result files are not written; take the boxes from the top", "boxes are not drawn"
ORIGIN, DEEPDETECT = "SSD (weiliu89/caffe)", "DeepDetect's Caffe (jolibrain/caffe)"
SUPPRESSION = Message(
    "NonMaximumSuppressionParameter",
    (
        optional("nms_threshold", 1, "float", 0.3, "Boxes that overlap a better one by more are dropped."),
        optional("top_k", 2, "int32", doc="At most so many boxes of a class are looked at; all if unset."),
        optional("eta", 3, "float", 1.0, "What the threshold is multiplied by after each kept box while above 0.5."),
        optional("soft_nms", 2004, "bool", False, "Lower scores instead; not supported.", origin=DEEPDETECT),
        optional(
            "theta",
            2005,
            "float",
            0.5,
            "How much soft_nms lowers them.",
            origin=DEEPDETECT,
            ignored="it belongs to soft_nms",
        ),
    ),
    origin=ORIGIN,
)
SAVING = Message(
    "SaveOutputParameter",
    (
        optional("output_directory", 1, "string", doc="Where result files would go."),
        optional("output_name_prefix", 2, "string", doc="What their names would start with."),
        optional("output_format", 3, "string", doc="VOC, COCO or ILSVRC."),
        optional("label_map_file", 4, "string", doc="Names of the classes."),
        optional("name_size_file", 5, "string", doc="Names and sizes of the images."),
        optional("num_test_image", 6, "uint32", doc="How many images there are."),
        optional("resize_param", 7, "ResizeParameter", doc="How the images were resized."),
    ),
    origin=ORIGIN,
)
PARAMETER = Message(
    "DetectionOutputParameter",
    (
        optional("num_classes", 1, "uint32", doc="Classes, the background among them."),
        optional("share_location", 2, "bool", True, "One box for all classes of a prior."),
        optional("background_label_id", 3, "int32", 0, "The class that is no object; -1 if there is none."),
        optional("nms_param", 4, "NonMaximumSuppressionParameter", doc="Non-maximum suppression."),
        optional("save_output_param", 5, "SaveOutputParameter", doc="Result files.", ignored=NO_FILES),
        optional("code_type", 6, "PriorBoxParameter.CodeType", "CORNER", "How offsets are written."),
        optional("keep_top_k", 7, "int32", -1, "At most so many boxes of an image; -1 for all."),
        optional("variance_encoded_in_target", 8, "bool", False, "Offsets are not multiplied by the variances."),
        optional("confidence_threshold", 9, "float", doc="Lower confidences are dropped; none if unset."),
        optional("visualize", 10, "bool", False, "Draw boxes.", ignored=NO_DRAWING),
        optional("visualize_threshold", 11, "float", doc="Of boxes that are drawn.", ignored=NO_DRAWING),
        optional("save_file", 12, "string", doc="A video of the drawings.", ignored=NO_DRAWING),
    ),
    origin=ORIGIN,
)


def setup(site: Site) -> Setup:
    p, shapes = site.p, site.bottoms
    if not p.num_classes:
        site.refuse(MISSING_FIELD, "needs num_classes, the background among them", "num_classes")
    nms = p.nms_param
    if nms.nms_threshold < 0:
        site.refuse(BAD_FIELD, "nms_threshold must not be negative", "nms_param")
    if not 0 < nms.eta <= 1:
        site.refuse(BAD_FIELD, f"eta must be above 0 and at most 1, but is {nms.eta:g}", "nms_param")
    if nms.soft_nms:
        site.refuse(UNSUPPORTED, "soft_nms, which lowers scores and drops no box, is not supported", "nms_param")
    g = _geometry(site)
    return Setup(tops=((1, 1, shapes[0][0] * max(g.most, 1), COLUMNS),), reads=(), dynamic=True, geometry=g)


def _geometry(site: Site) -> DetectionGeometry:
    p, (loc, conf, prior) = site.p, site.bottoms[:3]
    if len(prior) < 3 or prior[1] != 2 or not loc or not conf or loc[0] != conf[0]:
        text = ", ".join(map(format_shape, site.bottoms))
        site.refuse(
            BAD_BOTTOM_SHAPE, f"needs offsets, confidences and 1 x 2 x (priors * 4) boxes, but has {text}", "bottom"
        )
    priors = prod(prior[2:]) // 4
    loc_classes = 1 if p.share_location else p.num_classes
    for name, shape, wanted in (
        ("offsets", loc, priors * loc_classes * 4),
        ("confidences", conf, priors * p.num_classes),
    ):
        if prod(shape[1:]) != wanted:
            message = f"{priors} priors need {wanted} {name} an image, but its bottom is {format_shape(shape)}"
            site.refuse(BAD_BOTTOM_SHAPE, message, "num_classes", "bottom")
    top_k = p.nms_param.top_k if p.nms_param.has("top_k") else -1
    return DetectionGeometry(
        images=loc[0],
        priors=priors,
        classes=p.num_classes,
        loc_classes=loc_classes,
        code=CODES[p.code_type],
        encoded=p.variance_encoded_in_target,
        background=p.background_label_id if 0 <= p.background_label_id < p.num_classes else -1,
        top_k=priors if top_k < 0 else min(priors, top_k),
        keep=p.keep_top_k,
        confidence=p.confidence_threshold if p.has("confidence_threshold") else -np.inf,
        overlap=p.nms_param.nms_threshold,
        eta=p.nms_param.eta,
    )


def forward(call: Call) -> None:
    g = call.known(DetectionGeometry)
    rows, count = call.tops[0].reshape(-1, COLUMNS), 0
    offsets = call.bottoms[0].reshape(g.images, g.priors, g.loc_classes, 4)
    scores = call.bottoms[1].reshape(g.images, g.priors * g.classes)
    for image in range(g.images):
        boxes = np.stack([_decoded(call, offsets[image, :, place]) for place in range(g.loc_classes)])
        count = detections(g, image, boxes, scores[image], rows, count)
    count = count or write_none(rows, g.images)
    call.resize_top(0, (1, 1, count, COLUMNS))


def _decoded(call: Call, offsets: Array) -> Array:
    prior = call.bottoms[2].reshape(2, -1, 4)
    return decode(call.p.code_type, prior[0], None if call.p.variance_encoded_in_target else prior[1], offsets)


_PRIORS = Input(
    (1, 2, 12),
    "values",
    values=(0.1, 0.1, 0.4, 0.4, 0.12, 0.1, 0.42, 0.4, 0.5, 0.5, 0.9, 0.8, *(0.1, 0.1, 0.2, 0.2) * 3),
)
_CONFIDENCES = Input(
    (2, 9),
    "values",
    values=(0.1, 0.8, 0.1, 0.2, 0.7, 0.1, 0.1, 0.3, 0.6, 0.8, 0.1, 0.1, 0.3, 0.5, 0.2, 0.9, 0.05, 0.05),
)
_BOTTOMS = (Input((2, 12), "uniform", -0.2, 0.2), _CONFIDENCES, _PRIORS)
_SHAPES = ((2, 12), (2, 9), (1, 2, 12))

DETECTION_OUTPUT = LayerType(
    "DetectionOutput",
    __doc__,
    setup,
    forward,
    param="detection_output_param",
    own=Param(
        optional("detection_output_param", 204, "DetectionOutputParameter", origin=ORIGIN),
        (PARAMETER, SUPPRESSION, SAVING),
    ),
    origin=ORIGIN,
    bottoms=Arity(3, 4),
    differentiable=False,
    role=Role("detection", rows=("image", "class", "confidence", "xmin", "ymin", "xmax", "ymax")),
    examples=(
        Example(
            "detection_output_param { num_classes: 3 code_type: CENTER_SIZE keep_top_k: 2 confidence_threshold: 0.25 "
            "nms_param { nms_threshold: 0.45 top_k: 400 } }",
            inputs=_BOTTOMS,
            phase="TEST",
        ),
        Example("detection_output_param { num_classes: 3 confidence_threshold: 1 }", inputs=_BOTTOMS, phase="TEST"),
        Example(
            "detection_output_param { num_classes: 3 share_location: false background_label_id: -1 "
            "code_type: CORNER_SIZE variance_encoded_in_target: true nms_param { nms_threshold: 0.6 eta: 0.9 } }",
            inputs=(Input((2, 36), "uniform", -0.2, 0.2), *_BOTTOMS[1:]),
            phase="TEST",
        ),
    ),
    refuses=(
        Refused(MISSING_FIELD, bottoms=_SHAPES),
        Refused(BAD_BOTTOM_SHAPE, "detection_output_param { num_classes: 4 }", bottoms=_SHAPES),
        Refused(BAD_BOTTOM_SHAPE, "detection_output_param { num_classes: 3 share_location: false }", bottoms=_SHAPES),
        Refused(BAD_BOTTOM_SHAPE, "detection_output_param { num_classes: 3 }", bottoms=((2, 12), (2, 9), (2, 12))),
        Refused(BAD_FIELD, "detection_output_param { num_classes: 3 nms_param { eta: 0 } }", bottoms=_SHAPES),
        Refused(UNSUPPORTED, "detection_output_param { num_classes: 3 nms_param { soft_nms: true } }", bottoms=_SHAPES),
        Refused(
            BAD_FIELD, "detection_output_param { num_classes: 3 nms_param { nms_threshold: -1 } }", bottoms=_SHAPES
        ),
    ),
)
