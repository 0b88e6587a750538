import torch
from torch import Tensor, nn


def decoded(offsets: Tensor, priors: Tensor, code: str) -> Tensor:
    """Boxes from offsets of prior boxes, in one of SSD's three ways."""
    sizes = priors[..., 2:] - priors[..., :2]
    if code == "CORNER":
        return priors + offsets
    if code == "CORNER_SIZE":
        return priors + offsets * torch.cat([sizes, sizes], -1)
    centers = (priors[..., :2] + priors[..., 2:]) / 2 + offsets[..., :2] * sizes
    halves = offsets[..., 2:].exp() * sizes / 2
    return torch.cat([centers - halves, centers + halves], -1)


def suppressed(
    boxes: Tensor,
    threshold: float,
    eta: float = 1.0,
    most: int | None = None,
    cell: float = 0.0,
) -> list[int]:
    """Boxes, best first, that overlap no better one by more than the threshold."""
    sides = boxes[:, 2:] - boxes[:, :2]
    there = (sides >= 0).all(1)
    areas = torch.where(there, (sides + cell).prod(1), 0.0)
    free = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    kept: list[int] = []
    for i, box in enumerate(boxes):
        if len(kept) == most:
            break
        if not free[i]:
            continue
        kept.append(i)
        corners = torch.minimum(box[2:], boxes[:, 2:])
        shared = corners - torch.maximum(box[:2], boxes[:, :2]) + cell
        inter = shared.prod(1)
        overlap = inter / (areas[i] + areas - inter)
        free &= ~((shared > 0).all(1) & (overlap > threshold))
        if eta < 1 and threshold > 0.5:
            threshold *= eta
            free |= torch.arange(len(boxes), device=boxes.device) > i
            for j in kept:  # a lower threshold counts for all that are kept
                corners = torch.minimum(boxes[j, 2:], boxes[:, 2:])
                shared = corners - torch.maximum(boxes[j, :2], boxes[:, :2]) + cell
                inter = shared.prod(1)
                overlap = inter / (areas[j] + areas - inter)
                free &= ~((shared > 0).all(1) & (overlap > threshold))
    return kept


def found_boxes(
    boxes: Tensor,
    confidences: Tensor,
    background: int,
    confidence: float,
    threshold: float,
    eta: float = 1.0,
    top_k: int = -1,
    keep_top_k: int = -1,
) -> Tensor:
    """Rows of image, class, confidence and four corners: what a detector has found.
    boxes: images x boxes x 1 (or classes) x 4; confidences: images x boxes x classes.
    """
    images = []
    for image, scores in enumerate(confidences):
        rows = []
        for label in range(scores.shape[1]):
            if label == background:
                continue
            own = scores[:, label]
            order = own.sort(descending=True, stable=True).indices
            order = order[own[order] > confidence]
            order = order[:top_k] if top_k >= 0 else order
            corners = boxes[image, order, label if boxes.shape[2] > 1 else 0]
            best = suppressed(corners, threshold, eta)
            head = own.new_tensor([image, label]).expand(len(best), 2)
            rows.append(torch.cat([head, own[order[best], None], corners[best]], 1))
        table = torch.cat(rows)
        if 0 <= keep_top_k < len(table):
            kept = table[:, 2].sort(descending=True, stable=True).indices[:keep_top_k]
            table = table[kept.sort().values]
        images.append(table)
    table = torch.cat(images)
    if not len(table):
        numbers = torch.arange(len(boxes), dtype=boxes.dtype, device=boxes.device)
        table = torch.cat([numbers[:, None], boxes.new_full((len(boxes), 6), -1)], 1)
    return table[None, None]


def detection_output(
    offsets: Tensor,
    confidences: Tensor,
    priors: Tensor,
    classes: int,
    shared: bool = True,
    background: int = 0,
    code: str = "CORNER",
    scaled: bool = True,
    confidence: float = float("-inf"),
    threshold: float = 0.3,
    eta: float = 1.0,
    top_k: int = -1,
    keep_top_k: int = -1,
) -> Tensor:
    """What SSD has found. scaled: offsets are to be multiplied by the priors'
    variances."""
    boxes, variances = priors.reshape(2, -1, 4)
    given = offsets.reshape(len(offsets), len(boxes), 1 if shared else classes, 4)
    given = given * variances[:, None] if scaled else given
    places = decoded(given, boxes[:, None], code)
    scores = confidences.reshape(len(offsets), -1, classes)
    limits = (confidence, threshold, eta)
    return found_boxes(places, scores, background, *limits, top_k, keep_top_k)


def grid_output(
    maps: list[Tensor],
    anchors: list[list[tuple[float, float]]],
    sigmoid: bool = False,
    confidence: float = 0.01,
    threshold: float = 0.45,
    keep_top_k: int = 100,
) -> Tensor:
    """What YOLO has found in maps of predictions: x, y, w, h, object and a score for
    each class. anchors: of each map, in cells. Classes count from 1."""
    boxes, scores = [], []
    for x, own in zip(maps, anchors, strict=True):
        rows, columns = x.shape[2:]
        values = x.unflatten(1, (len(own), -1)).permute(0, 1, 3, 4, 2).flatten(1, 3)
        y, x_ = torch.meshgrid(
            torch.arange(rows, device=x.device),
            torch.arange(columns, device=x.device),
            indexing="ij",
        )
        cells = torch.stack([x_, y], -1).reshape(-1, 2).repeat(len(own), 1)
        size = x.new_tensor([columns, rows])
        sides = x.new_tensor(own).repeat_interleave(rows * columns, 0)
        centers = (cells + values[..., :2].sigmoid()) / size
        halves = sides * values[..., 2:4].clamp_max(20).exp() / (2 * size)
        corners = torch.cat([centers - halves, centers + halves], -1)
        boxes.append(corners.clamp(0, 1)[:, :, None])
        classes = values[..., 5:]
        shares = classes.sigmoid() if sigmoid else classes.softmax(-1)
        sure = values[..., 4:5].sigmoid() * shares
        scores.append(nn.functional.pad(sure, (1, 0)))
    limits = (confidence, threshold)
    return found_boxes(
        torch.cat(boxes, 1), torch.cat(scores, 1), 0, *limits, keep_top_k=keep_top_k
    )


def region_output(
    regions: Tensor,
    offsets: Tensor,
    probabilities: Tensor,
    info: Tensor,
    std: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2),
    confidence: float = 0.05,
    threshold: float = 0.3,
    keep_top_k: int = 100,
) -> Tensor:
    """What a Fast R-CNN has found in regions (image, x1, y1, x2, y2 in pixels) of one
    image. offsets: four for each class, divided by std; info: height, width and scale
    of the image."""
    count = len(regions)
    corners = regions.reshape(count, 1, 5)[..., 1:]
    sides = corners[..., 2:] - corners[..., :2] + 1
    moves = offsets.reshape(count, -1, 4) * offsets.new_tensor(std)
    centers = corners[..., :2] + sides / 2 + moves[..., :2] * sides
    halves = moves[..., 2:].clamp_max(20).exp() * sides / 2
    height, width = info.flatten()[:2]
    size = torch.stack([width, height, width, height])
    boxes = (torch.cat([centers - halves, centers + halves], -1) / size).clamp(0, 1)
    scores = probabilities.reshape(count, -1)
    limits = (confidence, threshold)
    return found_boxes(boxes[None], scores[None], 0, *limits, keep_top_k=keep_top_k)


def anchor_boxes(
    base: int, ratios: tuple[float, ...], scales: tuple[float, ...]
) -> Tensor:
    """Boxes (x1, y1, x2, y2) around the first cell, for each ratio those of each scale:
    widths and heights are whole pixels before they are scaled."""
    ratio = torch.tensor(ratios, dtype=torch.float64)
    width = torch.floor((base * base / ratio).sqrt() + 0.5)
    height = torch.floor(width * ratio + 0.5)
    sides = torch.stack([width, height], 1)[:, None]
    scale = torch.tensor(scales, dtype=torch.float64)[None, :, None]
    halves = (sides * scale - 1) / 2
    boxes = torch.cat([(base - 1) / 2 - halves, (base - 1) / 2 + halves], 2)
    return boxes.flatten(0, 1).float()


class Proposal(nn.Module):
    """Regions (image, x1, y1, x2, y2) of one image, best first, and their scores, from
    the scores and offsets of anchors at each cell of a map. info: height, width and
    scale of the image. No gradient goes through."""

    def __init__(
        self,
        stride: int = 16,
        base_size: int = 16,
        min_size: int = 16,
        ratios: tuple[float, ...] = (0.5, 1.0, 2.0),
        scales: tuple[float, ...] = (8.0, 16.0, 32.0),
        looked_at: int = 6000,
        most: int = 300,
        threshold: float = 0.7,
    ) -> None:
        super().__init__()
        anchors = anchor_boxes(base_size, ratios, scales)
        self.register_buffer("anchors", anchors, persistent=False)
        self.stride, self.min_size = stride, min_size
        self.looked_at, self.most, self.threshold = looked_at, most, threshold

    @torch.no_grad()
    def forward(
        self, scores: Tensor, offsets: Tensor, info: Tensor
    ) -> tuple[Tensor, Tensor]:
        height, width, *scale = info.flatten()[:4]
        last = torch.stack([width, height, width, height]).sub(1).clamp_min(0)
        found = self.moved(offsets[0])
        boxes = torch.where(found > 0, torch.minimum(found, last), 0.0)
        least = self.min_size * torch.stack([scale[-1], scale[0]])
        small = (boxes[:, 2:] - boxes[:, :2] + 1 < least).any(1)
        values = scores[0, len(self.anchors) :].permute(1, 2, 0).flatten()
        values = torch.where(small | values.isnan(), 0.0, values)
        order = values.sort(descending=True, stable=True).indices[: self.looked_at]
        kept = order[suppressed(boxes[order], self.threshold, most=self.most, cell=1)]
        return nn.functional.pad(boxes[kept], (1, 0)), values[kept]

    def moved(self, offsets: Tensor) -> Tensor:
        """Every anchor at every cell, moved by its offsets; by cell, then anchor."""
        count, (rows, columns) = len(self.anchors), offsets.shape[1:]
        moves = offsets.unflatten(0, (count, 4)).permute(2, 3, 0, 1)
        x = torch.arange(columns, device=offsets.device) * self.stride
        y = torch.arange(rows, device=offsets.device) * self.stride
        cells = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)[:, :, None]
        sides = self.anchors[:, 2:] - self.anchors[:, :2] + 1
        centers = moves[..., :2] * sides + (cells + self.anchors[:, :2] + sides / 2)
        halves = moves[..., 2:].exp() * sides / 2
        return torch.cat([centers - halves, centers + halves], -1).reshape(-1, 4)
