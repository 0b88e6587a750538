import torch
from torch import Tensor


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
    """Rows of image, class, confidence and four corners: what SSD has found. scaled:
    offsets are to be multiplied by the priors' variances."""
    boxes, variances = priors.reshape(2, -1, 4)
    given = offsets.reshape(len(offsets), len(boxes), 1 if shared else classes, 4)
    given = given * variances[:, None] if scaled else given
    places = decoded(given, boxes[:, None], code)
    found = []
    for image, scores in enumerate(confidences.reshape(len(offsets), -1, classes)):
        rows = []
        for label in range(classes):
            if label == background:
                continue
            own = scores[:, label]
            order = own.sort(descending=True, stable=True).indices
            order = order[own[order] > confidence]
            order = order[:top_k] if top_k >= 0 else order
            corners = places[image, order, 0 if shared else label]
            best = suppressed(corners, threshold, eta)
            head = own.new_tensor([image, label]).expand(len(best), 2)
            rows.append(torch.cat([head, own[order[best], None], corners[best]], 1))
        table = torch.cat(rows)
        if 0 <= keep_top_k < len(table):
            kept = table[:, 2].sort(descending=True, stable=True).indices[:keep_top_k]
            table = table[kept.sort().values]
        found.append(table)
    table = torch.cat(found)
    if not len(table):
        images = torch.arange(len(offsets), dtype=offsets.dtype, device=offsets.device)
        table = torch.cat([images[:, None], offsets.new_full((len(offsets), 6), -1)], 1)
    return table[None, None]
