"""SSD's MultiBoxLoss once more, prior by prior as the fork goes through them, in float64: the judge of netc's layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, log
from typing import Any

import numpy as np

from tests.layers.harness import Array

Box = tuple[float, float, float, float]


@dataclass
class Options:
    """The fields of MultiBoxLossParameter that are tried here, with the fork's defaults; boxes are CENTER_SIZE."""

    num_classes: int = 3
    conf_loss_type: str = "SOFTMAX"
    loc_loss_type: str = "SMOOTH_L1"
    loc_weight: float = 1.0
    match_type: str = "PER_PREDICTION"
    overlap_threshold: float = 0.5
    background_label_id: int = 0
    mining_type: str = "MAX_NEGATIVE"
    neg_pos_ratio: float = 3.0
    neg_overlap: float = 0.5
    sample_size: int = 64
    use_prior_for_nms: bool = False
    nms_threshold: float | None = None
    top_k: int = 0

    def text(self) -> str:
        """These as a `multibox_loss_param`."""
        values = dict(vars(self))
        threshold, top_k = values.pop("nms_threshold"), values.pop("top_k")
        words = [
            f"{name}: {str(value).lower() if isinstance(value, bool) else value}" for name, value in values.items()
        ]
        if threshold is not None:
            words.append(f"nms_param {{ nms_threshold: {threshold} top_k: {top_k} }}")
        return f"multibox_loss_param {{ code_type: CENTER_SIZE {' '.join(words)} }}"


@dataclass
class Found:
    """The loss and both gradients."""

    loss: float
    offsets: Array
    scores: Array
    chosen: list[list[int]] = field(default_factory=list)


def overlap(a: Any, b: Any) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    inter = width * height
    return float(inter / (size(a) + size(b) - inter))


def size(box: Any) -> float:
    return 0.0 if box[2] < box[0] or box[3] < box[1] else float((box[2] - box[0]) * (box[3] - box[1]))


def encoded(prior: Any, variance: Any, box: Any) -> list[float]:
    width, height = prior[2] - prior[0], prior[3] - prior[1]
    return [
        (box[0] + box[2] - prior[0] - prior[2]) / 2 / width / variance[0],
        (box[1] + box[3] - prior[1] - prior[3]) / 2 / height / variance[1],
        log((box[2] - box[0]) / width) / variance[2],
        log((box[3] - box[1]) / height) / variance[3],
    ]


def decoded(prior: Any, variance: Any, offsets: Any) -> Box:
    width, height = prior[2] - prior[0], prior[3] - prior[1]
    x = (prior[0] + prior[2]) / 2 + variance[0] * offsets[0] * width
    y = (prior[1] + prior[3]) / 2 + variance[1] * offsets[1] * height
    w, h = exp(variance[2] * offsets[2]) * width, exp(variance[3] * offsets[3]) * height
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


def matches(o: Options, priors: Any, truths: list[Any]) -> tuple[list[int], list[float]]:
    """Bipartite first, the best pair first; then each prior that overlaps enough."""
    match, best = [-1] * len(priors), [max([overlap(p, t[3:7]) for t in truths] or [0.0]) for p in priors]
    free = list(range(len(truths)))
    while free:
        pairs = [(overlap(priors[i], truths[j][3:7]), -i, -j) for i in range(len(priors)) if match[i] < 0 for j in free]
        top = max(pairs, default=(0.0, 0, 0))
        if top[0] <= 1e-6:
            break
        match[-top[1]] = -top[2]
        free.remove(-top[2])
    if o.match_type == "PER_PREDICTION":
        for i in range(len(priors)):
            rated = [(overlap(priors[i], t[3:7]), -j) for j, t in enumerate(truths)]
            if match[i] < 0 and rated and max(rated)[0] >= o.overlap_threshold:
                match[i] = -max(rated)[1]
    return match, best


def cross_entropy(o: Options, scores: Array, label: int) -> float:
    if o.conf_loss_type == "SOFTMAX":
        return float(np.log(np.exp(scores - scores.max()).sum()) + scores.max() - scores[label])
    return sum(logistic(x, float(c == label)) for c, x in enumerate(scores))


def logistic(x: float, target: float) -> float:
    return max(x, 0) - x * target + log(1 + exp(-abs(x)))


def smooth(o: Options, d: Array) -> tuple[float, Array]:
    if o.loc_loss_type == "L2":
        return float((d * d).sum() / 2), d
    near = np.abs(d) < 1
    return float(np.where(near, d * d / 2, np.abs(d) - 0.5).sum()), np.where(near, d, np.sign(d))


def suppressed(o: Options, boxes: list[Any], losses: list[float]) -> list[int]:
    """Indices that are kept, by falling loss."""
    order = sorted(range(len(losses)), key=lambda i: -losses[i])[: o.top_k]
    kept: list[int] = []
    for i in order:
        if size(boxes[i]) >= 1e-5 and all(overlap(boxes[i], boxes[k]) <= (o.nms_threshold or 0) for k in kept):
            kept.append(i)
    return kept


def mined(o: Options, match: list[int], best: list[float], losses: list[float], boxes: list[Any]) -> set[int]:
    hard = o.mining_type == "HARD_EXAMPLE"
    eligible = [i for i in range(len(match)) if hard or (match[i] == -1 and best[i] < o.neg_overlap)]
    wanted = min(o.sample_size if hard else int(sum(m > -1 for m in match) * o.neg_pos_ratio), len(eligible))
    if o.nms_threshold:
        order = suppressed(o, [boxes[i] for i in eligible], [losses[i] for i in eligible])
    else:
        order = sorted(range(len(eligible)), key=lambda k: -losses[eligible[k]])
    return {eligible[k] for k in order[:wanted]}


def multi_box_loss(o: Options, offsets: Array, scores: Array, prior: Array, truth: Array) -> Found:
    """Offsets num x priors x 4, scores num x priors x classes, prior 2 x priors x 4, truth rows of 8."""
    num, count, classes = scores.shape
    found = Found(0.0, np.zeros_like(offsets), np.zeros_like(scores))
    loc_loss = conf_loss = 0.0
    taken: list[list[int]] = []
    rows: list[list[tuple[int, int]]] = []  # (prior, label) of each image
    for n in range(num):
        truths = [row for row in truth if row[0] == n]
        match, best = matches(o, prior[0], truths)
        labels = [int(truths[m][1]) if m > -1 else o.background_label_id for m in match]
        losses = [cross_entropy(o, scores[n, i], labels[i]) for i in range(count)]
        difference = {
            i: offsets[n, i] - encoded(prior[0][i], prior[1][i], truths[m][3:7]) for i, m in enumerate(match) if m > -1
        }
        if o.mining_type == "HARD_EXAMPLE":
            losses = [x + (smooth(o, difference[i])[0] if i in difference else 0) for i, x in enumerate(losses)]
        chosen = set(range(count))
        if o.mining_type != "NONE":
            boxes = [
                prior[0][i] if o.use_prior_for_nms else decoded(prior[0][i], prior[1][i], offsets[n, i])
                for i in range(count)
            ]
            sampled = mined(o, match, best, losses, boxes) if truths else set()
            positive = {i for i in difference if o.mining_type == "MAX_NEGATIVE" or i in sampled}
            chosen = positive | {i for i in sampled if match[i] == -1}
            difference = {i: d for i, d in difference.items() if i in positive}
        for i, d in difference.items():
            loss, found.offsets[n, i] = smooth(o, d)
            loc_loss += loss
        taken.append(sorted(chosen))
        rows.append([(i, labels[i]) for i in sorted(difference)])
        negatives = [i for i in chosen if i not in difference]
        if o.mining_type != "NONE":
            rows[n] += [(i, o.background_label_id) for i in negatives]
    targets = conf_targets(o, num, count, classes, rows)
    for n in range(num):
        for i in taken[n]:
            label = dict(rows[n]).get(i, o.background_label_id)
            if o.conf_loss_type == "SOFTMAX":
                conf_loss += cross_entropy(o, scores[n, i], label)
                e = np.exp(scores[n, i] - scores[n, i].max())
                found.scores[n, i] = e / e.sum() - (np.arange(classes) == label)
            else:
                conf_loss += sum(logistic(x, t) for x, t in zip(scores[n, i], targets[n, i], strict=True))
                found.scores[n, i] = 1 / (1 + np.exp(-scores[n, i])) - targets[n, i]
    matched = sum(1 for n in range(num) for i, label in rows[n] if label != o.background_label_id)
    normalizer = max(matched, 1)
    found.loss = (o.loc_weight * loc_loss + conf_loss) / normalizer
    found.offsets *= o.loc_weight / normalizer
    found.scores /= normalizer
    found.chosen = taken
    return found


def conf_targets(o: Options, num: int, count: int, classes: int, rows: list[list[tuple[int, int]]]) -> Array:
    """Without mining the fork moves by `count` values and not by `count` rows from one image to the next."""
    targets = np.full((num, count, classes), float(o.background_label_id))
    for n in range(num):
        for i, label in rows[n]:
            if o.mining_type == "NONE":
                targets.reshape(-1)[n * count + i * classes + label] = 1
            else:
                targets[n, i, label] = 1
    return targets
