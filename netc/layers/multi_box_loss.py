"""MultiBoxLoss: the loss of SSD (Liu et al. 2016; Erhan et al. 2014).

Computes:
    Bottoms are predicted offsets, confidences, prior boxes and true boxes. True boxes take the priors that overlap them
    (`match_type`, `overlap_threshold`). loss = (`loc_weight` * L_loc + L_conf) / normalizer. L_loc sums smooth L1 (or
    half the square) of the differences between predicted and true offsets of matched priors. L_conf sums, over matched
    and mined priors, the softmax (or sigmoid cross-entropy) loss of the true box's class, or of the background.
    Mining takes, of the unmatched priors that overlap by less than `neg_overlap`, those of the largest confidence loss,
    `neg_pos_ratio` for each match; HARD_EXAMPLE takes the `sample_size` priors of the largest loss of all.

Shapes:
    Offsets num x (priors * 4), or num x (priors * classes * 4) without `share_location`; confidences num x (priors *
    classes); priors 1 x 2 x (priors * 4); true boxes rows of 8: image (-1: none), class, instance, xmin, ymin, xmax,
    ymax, difficult. The top is a scalar.

Gradient:
    For offsets and confidences, that of the summed losses; matches and mining are taken as given. Boxes get none.

Caffe notes:
    A layer of the SSD fork. `loss_param { normalization }` is VALID (matches) if left out; the normalizer >= 1.
    `propagate_down: false` for offsets or confidences leaves their part out of the loss, as there.
    With `encode_variance_in_target` the gradient is not divided by the variances, as there. `nms_param` drops priors
    before mining, and without `top_k` all of them, as there. Equal losses are mined in the order of the priors.
    LOGISTIC as there: targets other than the label's are `background_label_id` (0); without mining all of an unmatched
    prior's are, and those of an image after the first stand in wrong places. A true box that names no image, no class,
    or has no size is an error (RUN323).
"""

from dataclasses import dataclass
from math import prod

import numpy as np

from netc.errors import Code, Diagnostic, NetError
from netc.kernels.box_losses import logistic_loss, offsets_loss, one_hot, softmax_loss
from netc.kernels.boxes import decode, encode
from netc.kernels.matching import Suppression, match, mine
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    MISSING_FIELD,
    UNSUPPORTED,
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
from netc.schema.declare import Enum, Message, optional

ORIGIN, JACINTO = "SSD (weiliu89/caffe)", "Caffe-Jacinto (tidsp/caffe-jacinto)"
_NAME = "MultiBoxLossParameter"
PARAMETER = Message(
    _NAME,
    (
        optional("loc_loss_type", 1, f"{_NAME}.LocLossType", "SMOOTH_L1", "The loss of offsets."),
        optional("conf_loss_type", 2, f"{_NAME}.ConfLossType", "SOFTMAX", "The loss of confidences."),
        optional("loc_weight", 3, "float", 1.0, "The weight of the offsets' loss."),
        optional("num_classes", 4, "uint32", doc="Classes, the background among them."),
        optional("share_location", 5, "bool", True, "One box for all classes of a prior."),
        optional("match_type", 6, f"{_NAME}.MatchType", "PER_PREDICTION", "How true boxes take priors."),
        optional("overlap_threshold", 7, "float", 0.5, "The overlap that makes a match, with PER_PREDICTION."),
        optional("use_prior_for_matching", 8, "bool", True, "Match priors, not the predicted boxes."),
        optional("background_label_id", 9, "uint32", 0, "The class that is no object."),
        optional("use_difficult_gt", 10, "bool", True, "Use true boxes marked as difficult."),
        optional("do_neg_mining", 11, "bool", doc="The old form of mining_type.", deprecated="use mining_type"),
        optional("neg_pos_ratio", 12, "float", 3.0, "Mined priors for each match."),
        optional("neg_overlap", 13, "float", 0.5, "Priors that overlap by more are not mined."),
        optional("code_type", 14, "PriorBoxParameter.CodeType", "CORNER", "How offsets are written."),
        optional("encode_variance_in_target", 16, "bool", False, "Divide losses, not offsets, by the variances."),
        optional("map_object_to_agnostic", 17, "bool", False, "All objects are of the class after the background."),
        optional("ignore_cross_boundary_bbox", 18, "bool", False, "Leave out priors that reach over the image."),
        optional("bp_inside", 19, "bool", False, "No gradient for sides of matched boxes outside the image."),
        optional("mining_type", 20, f"{_NAME}.MiningType", "MAX_NEGATIVE", "Which priors count in the loss."),
        optional("nms_param", 21, "NonMaximumSuppressionParameter", doc="Suppression before mining."),
        optional("sample_size", 22, "int32", 64, "Priors of an image with HARD_EXAMPLE."),
        optional("use_prior_for_nms", 23, "bool", False, "Suppress priors, not predicted boxes."),
        optional("ignore_difficult_gt", 2024, "bool", False, "Leave priors of difficult boxes out.", origin=JACINTO),
    ),
    (
        Enum("LocLossType", {"L2": 0, "SMOOTH_L1": 1}),
        Enum("ConfLossType", {"SOFTMAX": 0, "LOGISTIC": 1}),
        Enum("MatchType", {"BIPARTITE": 0, "PER_PREDICTION": 1}),
        Enum("MiningType", {"NONE": 0, "MAX_NEGATIVE": 1, "HARD_EXAMPLE": 2}),
    ),
    origin=ORIGIN,
)

NOT_DIVIDED = "SSD's MultiBoxLoss leaves the variances out of its gradient with encode_variance_in_target"

BAD_TRUE_BOX = Code(
    "RUN323",
    "a true box of MultiBoxLoss cannot be used",
    why="A true box must belong to an image of the batch and to a class other than the background, and CENTER_SIZE "
    "takes the logarithm of its size, and of its prior's.",
    example="label: (0, 25, 0, 0.1, 0.1, 0.4, 0.4, 0) for 21 classes",
    fix="Number classes from 1 (0 is the background), give corners with xmin < xmax and ymin < ymax, and -1 as the "
    "image of rows that are not used.",
)


@dataclass(frozen=True, slots=True)
class Geometry:
    """How many images, priors, classes and classes of locations there are; which parts count; which normalizer."""

    images: int
    priors: int
    classes: int
    loc_classes: int
    parts: tuple[bool, bool]
    normalization: str


def setup(site: Site) -> Setup:
    p, (loc, conf, prior, truth) = site.p, site.bottoms
    if p.num_classes < 2:
        site.refuse(MISSING_FIELD, "needs num_classes, at least 2 with the background", "num_classes")
    if p.background_label_id >= p.num_classes:
        site.refuse(BAD_FIELD, f"class {p.background_label_id} is not one of {p.num_classes}", "background_label_id")
    if p.mining_type != "NONE" and not p.share_location:
        site.refuse(UNSUPPORTED, "mining needs share_location; set mining_type: NONE", "mining_type", "share_location")
    if p.has("do_neg_mining") and p.do_neg_mining != (p.mining_type != "NONE"):
        site.refuse(BAD_FIELD, "do_neg_mining and mining_type contradict each other", "do_neg_mining")
    if p.ignore_difficult_gt:
        site.refuse(
            UNSUPPORTED, "ignore_difficult_gt is not supported; set use_difficult_gt: false", "ignore_difficult_gt"
        )
    if p.map_object_to_agnostic and (p.num_classes != 2 or p.background_label_id):
        message = "map_object_to_agnostic needs num_classes: 2 and background_label_id: 0"
        site.refuse(BAD_FIELD, message, "map_object_to_agnostic")
    if p.mining_type == "HARD_EXAMPLE" and p.sample_size < 1:
        site.refuse(BAD_FIELD, f"sample_size is {p.sample_size}: it must be at least 1", "sample_size")
    if p.has("nms_param") and p.mining_type != "NONE" and not p.nms_param.has("top_k"):
        site.warn(BAD_FIELD, "nms_param without top_k mines nothing, as in SSD", "nms_param", help="add `top_k: ...`")
    text = ", ".join(map(format_shape, site.bottoms))
    if len(prior) < 3 or prior[1] != 2 or not loc or not conf or loc[0] != conf[0] or prod(truth) % 8:
        site.refuse(
            BAD_BOTTOM_SHAPE, f"needs offsets, confidences, priors and rows of 8 values, but has {text}", "bottom"
        )
    priors, loc_classes = prod(prior[2:]) // 4, 1 if p.share_location else p.num_classes
    if prod(loc[1:]) != priors * loc_classes * 4 or prod(conf[1:]) != priors * p.num_classes:
        message = (
            f"{priors} priors need {priors * loc_classes * 4} offsets and {priors * p.num_classes} confidences: {text}"
        )
        site.refuse(BAD_BOTTOM_SHAPE, message, "num_classes", "bottom")
    down = (*site.record.propagate_down, True, True)[:2] if site.record.propagate_down else (True, True)
    loss = site.record.loss_param
    normalization = loss.normalization
    if not loss.has("normalization") and loss.has("normalize"):
        normalization = "VALID" if loss.normalize else "BATCH_SIZE"
    return Setup(
        tops=((),),
        buffers=(Buffer("loc_diff", loc), Buffer("conf_diff", conf)),
        reads=(),
        holds=(ANYTHING, ANYTHING, ANYTHING, Holds("boxes", high=loc[0], classes=p.num_classes)),
        geometry=Geometry(loc[0], priors, p.num_classes, loc_classes, (down[0], down[1]), normalization),
        own_gradient=NOT_DIVIDED if p.encode_variance_in_target else "",
    )


# ---------------------------------------------------------------- true boxes


def _truths(call: Call) -> list[Array]:
    """For each image the rows (class, xmin, ymin, xmax, ymax) of its true boxes."""
    g, p = call.known(Geometry), call.p
    found: list[list[Array]] = [[] for _ in range(g.images)]
    rows = call.bottoms[3].reshape(-1, 8)
    for i in np.flatnonzero(rows[:, 0] != -1):  # a batch has room for more boxes than there are
        row = rows[i]
        if row[7] and not p.use_difficult_gt:
            continue
        of_a_class = p.map_object_to_agnostic or 0 <= row[1] < g.classes
        known = 0 <= row[0] < g.images and of_a_class and int(row[1]) != p.background_label_id
        sized = p.code_type != "CENTER_SIZE" or (row[5] > row[3] and row[6] > row[4])
        if not (known and sized and np.isfinite(row[3:7]).all()):
            values = ", ".join(f"{value:g}" for value in row)
            batch = f"{g.images} images, {g.classes} classes"
            said = f"true box {i} is ({values}); there are {batch}"
            raise NetError(Diagnostic.of_layer(call.record, BAD_TRUE_BOX, said))
        found[int(row[0])].append(np.array([int(row[1]), *row[3:7]], row.dtype))
    return [np.array(rows).reshape(-1, 5) for rows in found]


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """One image: rows (class, box) of true boxes, priors x loc_classes x 4 offsets, priors and variances, and for each
    class of locations and prior its true box (-1: none, -2: the prior is left out)."""

    truths: Array
    offsets: Array
    priors: Array
    variances: Array
    matched: Array

    def decoded(self, call: Call, place: int) -> Array:
        """The predicted boxes of a class of locations."""
        variances = None if call.p.encode_variance_in_target else self.variances
        return decode(call.p.code_type, self.priors, variances, self.offsets[:, place])


def _match(call: Call, image: Image) -> Array:
    """Fill in `image.matched`; returns the largest overlap of each prior, loc_classes x priors."""
    p, g, truths = call.p, call.known(Geometry), image.truths
    threshold = p.overlap_threshold if p.match_type == "PER_PREDICTION" else None
    best = np.zeros((g.loc_classes, g.priors), truths.dtype)
    for place in range(g.loc_classes):
        if not p.share_location and place == p.background_label_id:
            continue
        boxes = image.priors if p.use_prior_for_matching else image.decoded(call, place)
        ignored: Array | None = None
        if p.ignore_cross_boundary_bbox:
            ignored = np.any((boxes < 0) | (boxes > 1), axis=1)
        own = np.arange(len(truths))
        if not p.share_location and not p.use_prior_for_matching:
            own = np.flatnonzero(truths[:, 0] == place)
        index, best[place] = match(boxes, truths[own, 1:], threshold, ignored)
        taken = index > -1
        index[taken] = own[index[taken]]
        if not p.share_location:
            index[taken] = np.where(truths[index[taken], 0] == place, index[taken], -1)
        image.matched[place] = index
    return best


# ---------------------------------------------------------------- one image


def _difference(call: Call, image: Image, prior: Array, place: Array) -> Array:
    """Predicted minus true offsets of matched priors, matches x 4."""
    p = call.p
    priors, variance, offsets = image.priors[prior], image.variances[prior], image.offsets[prior, place]
    variances = None if p.encode_variance_in_target else variance
    if p.code_type != "CORNER" and not (priors[:, 2:] > priors[:, :2]).all():
        raise NetError(Diagnostic.of_layer(call.record, BAD_TRUE_BOX, "a matched prior box has no size"))
    boxes = image.truths[image.matched[place, prior], 1:]
    difference = offsets - encode(p.code_type, priors, variances, boxes)
    if p.bp_inside:
        where = priors if p.use_prior_for_matching else decode(p.code_type, priors, variances, offsets)
        difference[(where < 0) | (where > 1)] = 0
    return difference / variance if p.encode_variance_in_target else difference


def _mined(call: Call, image: Image, best: Array, losses: Array) -> Array:
    """The priors whose confidences count; matches that do not are taken out of `image.matched`."""
    p, (matched,) = call.p, image.matched
    hard = p.mining_type == "HARD_EXAMPLE"
    if hard:
        taken = np.flatnonzero(matched > -1)
        losses = losses.copy()
        losses[taken] += offsets_loss(p.loc_loss_type, _difference(call, image, taken, np.zeros_like(taken)))[0]
        eligible, wanted = np.full(len(matched), len(image.truths) > 0), p.sample_size
    else:
        eligible = (matched == -1) & (best[0] < p.neg_overlap)
        wanted = int(np.float32(np.count_nonzero(matched > -1)) * np.float32(p.neg_pos_ratio))
    suppression = None
    if p.has("nms_param") and p.nms_param.nms_threshold > 0:
        boxes = image.priors if p.use_prior_for_nms else image.decoded(call, 0)
        suppression = Suppression(boxes, p.nms_param.nms_threshold, p.nms_param.top_k)
    chosen = mine(losses, eligible, wanted, suppression)
    negatives = np.flatnonzero(chosen & (matched == -1))
    if hard:
        matched[(matched > -1) & ~chosen] = -1
    return np.concatenate([np.flatnonzero(matched > -1), negatives])


def _image(call: Call, n: int, truths: Array) -> tuple[float, float, Image]:
    """Write one image's gradients; returns its losses of offsets and confidences, and the image with its matches."""
    p, g = call.p, call.known(Geometry)
    scores = call.bottoms[1].reshape(g.images, g.priors, g.classes)[n]
    offsets = call.bottoms[0].reshape(g.images, g.priors, g.loc_classes, 4)[n]
    loc_diff = call.buffers["loc_diff"].reshape(g.images, g.priors, g.loc_classes, 4)[n]
    conf_diff = call.buffers["conf_diff"].reshape(g.images, g.priors, g.classes)[n]
    priors, variances = call.bottoms[2].reshape(2, -1, 4)
    matched = np.full((g.loc_classes, g.priors), -1)
    image = Image(truths, offsets, priors, variances, matched)
    best = _match(call, image)
    labels = np.full(g.priors, p.background_label_id)
    for index in matched:
        labels[index > -1] = _labels(call, truths[index[index > -1]])
    if p.conf_loss_type == "LOGISTIC":
        targets = one_hot(labels, g.classes, 0, scores.dtype)
        losses, gradients = logistic_loss(scores, targets)
    else:
        losses, gradients = softmax_loss(scores, labels)
    counted = np.arange(g.priors) if p.mining_type == "NONE" else _mined(call, image, best, losses)
    if p.conf_loss_type == "LOGISTIC" and p.background_label_id:
        targets = one_hot(labels, g.classes, p.background_label_id, scores.dtype)
        losses, gradients = logistic_loss(scores, targets)
    place, prior = np.nonzero(matched > -1)
    loc_losses, loc_gradients = offsets_loss(p.loc_loss_type, _difference(call, image, prior, place))
    loc_diff[prior, place] = loc_gradients
    conf_diff[counted] = gradients[counted]
    return float(loc_losses.sum()), float(losses[counted].sum()), image


def _labels(call: Call, truths: Array) -> Array:
    agnostic = call.p.background_label_id + 1
    return np.full(len(truths), agnostic) if call.p.map_object_to_agnostic else truths[:, 0].astype(int)


def _all_logistic(call: Call, images: list[Image]) -> float:
    """Confidences without mining: writes the gradient of all, returns the loss.

    The fork counts the rows of targets from the first image's on as if a row had one value, so the targets of the n-th
    image stand n * priors values after the first's, and not n * priors rows.
    """
    p, g = call.p, call.known(Geometry)
    scores = call.bottoms[1].reshape(-1, g.classes)
    targets = np.full(scores.size, p.background_label_id, scores.dtype)
    for n, image in enumerate(images):
        for index in image.matched:
            prior = np.flatnonzero(index > -1)
            targets[n * g.priors + prior * g.classes + _labels(call, image.truths[index[prior]])] = 1
    losses, gradients = logistic_loss(scores, targets.reshape(scores.shape))
    call.buffers["conf_diff"].reshape(scores.shape)[...] = gradients
    return float(losses.sum())


def forward(call: Call) -> None:
    p, g = call.p, call.known(Geometry)
    for buffer in call.buffers.values():
        buffer[...] = 0
    locs, confs, images = zip(*(_image(call, n, truths) for n, truths in enumerate(_truths(call))), strict=True)
    conf = sum(confs)
    if p.conf_loss_type == "LOGISTIC" and p.mining_type == "NONE":
        conf = _all_logistic(call, list(images))
    matches = sum(int(np.count_nonzero(image.matched > -1)) for image in images)
    sizes = {"FULL": g.images * g.priors, "VALID": matches, "BATCH_SIZE": g.images, "NONE": 1}
    normalizer = max(sizes[g.normalization], 1)
    weights = (p.loc_weight * g.parts[0] / normalizer, g.parts[1] / normalizer)
    for name, weight in zip(("loc_diff", "conf_diff"), weights, strict=True):
        call.buffers[name] *= call.buffers[name].dtype.type(weight)
    call.tops[0][...] = sum(locs) * weights[0] + conf * weights[1]


def backward(call: Call) -> None:
    weight = call.top_diffs[0].reshape(())
    for dx, name in zip(call.bottom_diffs, ("loc_diff", "conf_diff"), strict=False):
        if dx is not None:
            np.multiply(call.buffers[name], weight, out=dx)


# ---------------------------------------------------------------- examples

_BOXES = (0.05, 0.05, 0.4, 0.4, 0.12, 0.1, 0.42, 0.45, 0.5, 0.5, 0.9, 0.8, 0.6, 0.1, 0.9, 0.3, -0.1, 0.7, 0.2, 1.1)
_BOTTOMS = (
    Input((2, 20)),
    Input((2, 15)),
    Input((1, 2, 20), "values", values=(*_BOXES, *(0.1, 0.1, 0.2, 0.2) * 5)),
    Input(
        (1, 1, 4, 8),
        "values",
        values=(
            *(0, 1, 0, 0.1, 0.1, 0.4, 0.4, 0),
            *(0, 2, 0, 0.5, 0.45, 0.85, 0.8, 1),
            *(1, 2, 0, 0.55, 0.1, 0.9, 0.35, 0),
            *(-1, 0, 0, 0, 0, 0, 0, 0),
        ),
    ),
)
_SHAPES = tuple(bottom.shape for bottom in _BOTTOMS)


def _example(fields: str, more: str = "", loc_classes: int = 1) -> Example:
    inputs = (Input((2, 20 * loc_classes)), *_BOTTOMS[1:])
    return Example(f"multibox_loss_param {{ num_classes: 3 {fields} }} {more}", inputs=inputs)


def _agnostic(fields: str) -> Example:
    text = f"multibox_loss_param {{ num_classes: 2 mining_type: NONE {fields} }}"
    return Example(text, inputs=(_BOTTOMS[0], Input((2, 10)), *_BOTTOMS[2:]))


def _refused(code: Code, fields: str) -> Refused:
    return Refused(code, f"multibox_loss_param {{ {fields} }}", bottoms=_SHAPES)


MULTI_BOX_LOSS = LayerType(
    "MultiBoxLoss",
    __doc__,
    setup,
    forward,
    backward,
    param="multibox_loss_param",
    also=("loss_param",),
    own=Param(optional("multibox_loss_param", 201, _NAME, origin=ORIGIN), (PARAMETER,)),
    origin=ORIGIN,
    bottoms=Arity(4, 4),
    differentiable=(True, True, False),
    loss=True,
    auto_tops=True,
    codes=(BAD_TRUE_BOX,),
    role=Role("loss"),
    examples=(
        _example("code_type: CENTER_SIZE overlap_threshold: 0.4 neg_pos_ratio: 1"),
        _example("loc_loss_type: L2 conf_loss_type: LOGISTIC loc_weight: 0.5 match_type: BIPARTITE mining_type: NONE"),
        _example(
            "code_type: CORNER_SIZE mining_type: HARD_EXAMPLE sample_size: 2", "loss_param { normalization: FULL }"
        ),
        _example("share_location: false mining_type: NONE use_difficult_gt: false", loc_classes=3),
        _example("share_location: false mining_type: NONE use_prior_for_matching: false", loc_classes=3),
        _example("bp_inside: true ignore_cross_boundary_bbox: true"),
        _agnostic("map_object_to_agnostic: true match_type: BIPARTITE"),
        _example("conf_loss_type: LOGISTIC neg_pos_ratio: 1 nms_param { nms_threshold: 0.4 top_k: 4 }"),
        _example("mining_type: HARD_EXAMPLE sample_size: 3 nms_param { top_k: 5 } use_prior_for_nms: true"),
        _example("conf_loss_type: LOGISTIC background_label_id: 0 match_type: BIPARTITE neg_overlap: 0.3"),
        _example("use_prior_for_matching: false", "loss_param { normalize: false }"),
        _example("loc_weight: 2", "propagate_down: [true, false, false, false] loss_weight: 3"),
        _example("encode_variance_in_target: true"),
    ),
    refuses=(
        _refused(MISSING_FIELD, "neg_overlap: 0.5"),
        _refused(BAD_FIELD, "num_classes: 3 background_label_id: 3"),
        _refused(BAD_FIELD, "num_classes: 3 do_neg_mining: false"),
        _refused(UNSUPPORTED, "num_classes: 3 share_location: false"),
        _refused(BAD_FIELD, "num_classes: 3 map_object_to_agnostic: true"),
        _refused(BAD_FIELD, "num_classes: 3 mining_type: HARD_EXAMPLE sample_size: 0"),
        _refused(UNSUPPORTED, "num_classes: 3 ignore_difficult_gt: true"),
        _refused(BAD_BOTTOM_SHAPE, "num_classes: 4"),
    ),
)
