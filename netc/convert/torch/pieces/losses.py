import torch
from torch import Tensor, nn


def normalizer(mode: str, outer: int, counts: Tensor) -> Tensor | int:
    """What a loss is divided by, at least 1: Caffe's `normalization`."""
    if mode == "VALID":
        return counts.sum().clamp_min(1)
    return max(1, {"FULL": counts.numel(), "BATCH_SIZE": outer, "NONE": 1}[mode])


def positions(
    scores: Tensor, labels: Tensor, axis: int, ignore_label: int | None
) -> tuple[Tensor, Tensor, Tensor, int]:
    """Scores as positions x classes, their labels, which of them count; the batch."""
    rows = scores.movedim(axis, -1).reshape(-1, scores.shape[axis])
    target = labels.flatten().long()
    counts = torch.ones_like(target, dtype=torch.bool)
    if ignore_label is not None:
        counts = target != ignore_label
    outer = scores.shape[:axis].numel()
    return rows, torch.where(counts, target, 0), counts, outer


def softmax_loss(
    scores: Tensor,
    labels: Tensor,
    axis: int = 1,
    ignore_label: int | None = None,
    normalization: str = "VALID",
    label_smoothing: float = 0.0,
    class_weights: tuple[float, ...] | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of scores, over the positions whose label is not `ignore_label`."""
    rows, target, counts, outer = positions(scores, labels, axis, ignore_label)
    log_p = torch.log_softmax(rows, 1)
    loss = -log_p.gather(1, target[:, None])[:, 0]
    loss = (1 - label_smoothing) * loss - label_smoothing * log_p.mean(1)
    factor = counts.to(loss.dtype)
    if class_weights is not None:
        factor = factor * loss.new_tensor(class_weights)[target]
    if weights is not None:
        factor = factor * weights.flatten()
    return (loss * factor).sum() / normalizer(normalization, outer, counts)


def perplexity(
    scores: Tensor, labels: Tensor, axis: int = -1, ignore_label: int | None = None
) -> tuple[Tensor, Tensor]:
    """Between how many classes scores are undecided, over the positions whose label is
    not `ignore_label`; and that in bits."""
    rows, target, counts, _ = positions(scores, labels, axis, ignore_label)
    log_p = torch.log_softmax(rows, 1).gather(1, target[:, None])[:, 0]
    mean = -log_p[counts].mean()
    return mean.exp(), mean / torch.tensor(2.0).log()


def infogain_loss(
    scores: Tensor,
    labels: Tensor,
    matrix: Tensor,
    axis: int = 1,
    ignore_label: int | None = None,
    normalization: str = "VALID",
) -> Tensor:
    """Cross-entropy with a matrix that says how much each confusion matters."""
    rows, target, counts, outer = positions(scores, labels, axis, ignore_label)
    classes = rows.shape[1]
    log_p = torch.log_softmax(rows, 1)
    loss = -(matrix.reshape(classes, classes)[target] * log_p).sum(1)
    return (loss * counts).sum() / normalizer(normalization, outer, counts)


def softmax_focal_loss(
    scores: Tensor,
    labels: Tensor,
    alpha: float = 0.25,
    gamma: float = 2.0,
    axis: int = 1,
    ignore_label: int | None = None,
    normalization: str = "VALID",
    class_weights: tuple[float, ...] | None = None,
) -> Tensor:
    """Cross-entropy that counts easy examples less."""
    rows, target, counts, outer = positions(scores, labels, axis, ignore_label)
    log_p = torch.log_softmax(rows, 1).gather(1, target[:, None])[:, 0]
    loss = -alpha * (1 - log_p.exp()).clamp_min(1e-30) ** gamma * log_p
    factor = counts.to(loss.dtype)
    if class_weights is not None:
        factor = factor * loss.new_tensor(class_weights)[target]
    return (loss * factor).sum() / normalizer(normalization, outer, counts)


def sigmoid_cross_entropy_loss(
    scores: Tensor,
    targets: Tensor,
    ignore_label: int | None = None,
    normalization: str = "BATCH_SIZE",
    weights: Tensor | None = None,
) -> Tensor:
    """Binary cross-entropy of scores."""
    x, t = scores.flatten(), targets.flatten()
    counts = torch.ones_like(t, dtype=torch.bool)
    if ignore_label is not None:
        counts = t.trunc() != ignore_label
    loss = nn.functional.binary_cross_entropy_with_logits(x, t, reduction="none")
    if weights is not None:
        loss = loss * weights.flatten()
    return (loss * counts).sum() / normalizer(normalization, len(scores), counts)


def multinomial_logistic_loss(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of probabilities."""
    rows = probabilities.flatten(1)
    own = rows.gather(1, labels.reshape(-1, 1).long())
    return -own.clamp_min(1e-20).log().mean()


def euclidean_loss(a: Tensor, b: Tensor, weights: Tensor | None = None) -> Tensor:
    """Half the squared distance, a mean over the batch."""
    squares = (a - b.view_as(a)).square()
    if weights is not None:
        squares = squares * weights.view_as(a)
    return squares.sum() / (2 * len(a))


def l1_loss(a: Tensor, b: Tensor) -> Tensor:
    """The absolute distance, a mean over the batch."""
    return (a - b.view_as(a)).abs().sum() / len(a)


def content_loss(a: Tensor, b: Tensor) -> Tensor:
    """Half the squared distance of features."""
    return (a - b).square().sum() / 2


def style_loss(a: Tensor, b: Tensor) -> Tensor:
    """How much the correlations of channels differ; b may be a Gram matrix already."""

    def gram(x: Tensor) -> Tensor:
        rows = x.flatten(2)
        return rows @ rows.mT / rows.shape[2]

    made = b.dim() == 3 and b.shape[1] == b.shape[2]
    difference = gram(a) - (b if made else gram(b))
    return difference.square().sum() / (4 * difference.numel())


def smooth_l1_loss(
    a: Tensor,
    b: Tensor,
    sigma: float = 1.0,
    inside: Tensor | None = None,
    outside: Tensor | None = None,
) -> Tensor:
    """Quadratic below 1 / sigma^2, linear beyond; a mean over the batch."""
    d = a.flatten() - b.flatten()
    if inside is not None:
        d = d * inside.flatten()
    square = sigma**2
    size = d.abs()
    loss = torch.where(size < 1 / square, 0.5 * square * d * d, size - 0.5 / square)
    if outside is not None:
        loss = loss * outside.flatten()
    return loss.sum() / len(a)


def contrastive_loss(
    a: Tensor, b: Tensor, like: Tensor, margin: float = 1.0, legacy: bool = False
) -> Tensor:
    """Like pairs are drawn together, unlike ones pushed `margin` apart."""
    square = (a - b).flatten(1).square().sum(1)
    if legacy:
        unlike = (margin - square).clamp_min(0)
    else:  # the gradient of the distance is finite at 0: Caffe adds 1e-4 there
        distance = square.detach().sqrt()
        slope = square / (2 * (distance + 1e-4))
        unlike = (margin - distance - slope + slope.detach()).clamp_min(0).square()
    return torch.where(like.flatten().trunc() != 0, square, unlike).sum() / (2 * len(a))


def hinge_loss(scores: Tensor, labels: Tensor, squared: bool = False) -> Tensor:
    """One class against all others."""
    rows = scores.flatten(1)
    sign = torch.ones_like(rows).scatter(1, labels.reshape(-1, 1).long(), -1.0)
    margins = (1 + sign * rows).clamp_min(0)
    return (margins.square() if squared else margins).sum() / len(scores)


def row_distances(a: Tensor, b: Tensor, distance: str) -> Tensor:
    """How far vectors (along the last axis) are apart."""
    if distance == "COSINE":
        lengths = a.norm(dim=-1) * b.norm(dim=-1)
        return 1 - (a * b).sum(-1) / lengths.clamp_min(1e-30)
    squares = (a - b).square().sum(-1)
    return squares if distance == "SQUARED" else squares.clamp_min(1e-30).sqrt()


def triplet_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float,
    distance: str = "SQUARED",
) -> Tensor:
    """Positives are to be nearer than negatives by a margin."""
    anchor, positive, negative = (x.flatten(1) for x in (anchor, positive, negative))
    near = row_distances(anchor, positive, distance)
    far = row_distances(anchor, negative, distance)
    terms = (margin + near - far).clamp_min(0)
    return terms.mean() / (2 if distance == "SQUARED" else 1)


def batch_triplet_loss(
    x: Tensor,
    labels: Tensor,
    margin: float,
    distance: str = "SQUARED",
    mining: str = "HARD",
) -> Tensor:
    """The loss of triplets that are mined in the batch; of ALL, the mean is of the
    terms above 0."""
    x = x.flatten(1)
    d = row_distances(x[:, None], x[None], distance)
    unlike = labels[:, None] != labels[None]
    alike = ~unlike & ~torch.eye(len(x), dtype=torch.bool, device=x.device)
    some, infinity = unlike.any(1), float("inf")
    if mining == "HARD":
        near = d.masked_fill(~alike, -infinity).amax(1)
        terms = (margin + near - d.masked_fill(~unlike, infinity).amin(1)).clamp_min(0)
        terms = terms[alike.any(1) & some]
    elif mining == "SEMI_HARD":
        farther = unlike[:, None] & (d[:, None] > d[:, :, None])
        nearest = d[:, None].masked_fill(~farther, infinity).amin(2)
        farthest = d.masked_fill(~unlike, -infinity).amax(1, keepdim=True)
        far = torch.where(farther.any(2), nearest, farthest)
        terms = (margin + d - far).clamp_min(0)[alike & some[:, None]]
    else:
        terms = (margin + d[:, :, None] - d[:, None]).clamp_min(0)
        terms = terms[alike[:, :, None] & unlike[:, None]]
        terms = terms[terms > 0]
    return terms.sum() / (max(1, len(terms)) * (2 if distance == "SQUARED" else 1))


class CenterLoss(nn.Module):
    """Features close to the center of their class. The centers' gradient is a rule of
    its own: the sum of (center - x) over a class's n images, divided by n + 1."""

    def __init__(self, classes: int, values: int):
        super().__init__()
        self.centers = nn.Parameter(torch.zeros(classes, values))

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        target = labels.flatten().long()
        x = features.reshape(len(target), -1)
        distance = x - self.centers.detach()[target]
        counts = torch.bincount(target, minlength=len(self.centers))[target] + 1
        pull = -distance.detach() / counts[:, None]
        moves = (self.centers[target] * pull).sum()
        return distance.square().sum() / (2 * len(target)) + moves - moves.detach()


def top_accuracy(
    scores: Tensor,
    labels: Tensor,
    top_k: int = 1,
    axis: int = 1,
    ignore_label: int | None = None,
) -> Tensor:
    """The share of positions whose label is among the `top_k` largest scores."""
    return top_accuracy_by_class(scores, labels, top_k, axis, ignore_label)[0]


def top_accuracy_by_class(
    scores: Tensor,
    labels: Tensor,
    top_k: int = 1,
    axis: int = 1,
    ignore_label: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The share of positions that are right, of all and of those of each class."""
    rows, target, counts, _ = positions(scores, labels, axis, ignore_label)
    own = rows.gather(1, target[:, None])
    right = ((rows >= own).sum(1) <= top_k) & counts
    classes = rows.shape[1]
    hits = torch.bincount(target[right], minlength=classes).to(scores.dtype)
    occurs = torch.bincount(target[counts], minlength=classes)
    share = right.sum() / counts.sum().clamp_min(1)
    return share.to(scores.dtype), hits / occurs.clamp_min(1)
