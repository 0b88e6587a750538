import torch
from torch import Tensor


def away(x: Tensor) -> Tensor:
    """Rounded, halves away from zero."""
    return torch.sign(x) * torch.floor(x.abs() + 0.5)


def bins(begin: Tensor, length: Tensor, count: int, size: int) -> list[tuple[int, int]]:
    """Where the bins of a line begin and end, rounded outwards and cut at the plane."""
    step = torch.arange(count + 1, dtype=length.dtype, device=length.device) * length
    starts = (torch.floor(step[:-1]) + begin).clamp(0, size).int().tolist()
    ends = (torch.ceil(step[1:]) + begin).clamp(0, size).int().tolist()
    return list(zip(starts, ends, strict=True))


def roi_pool(x: Tensor, rois: Tensor, size: tuple[int, int], scale: float) -> Tensor:
    """A grid of maxima for each region (image, x1, y1, x2, y2)."""
    rows, columns = size
    pooled = []
    for image, *_ in rois.reshape(-1, 5).tolist():
        plane = x[int(image)]
        left, top, right, bottom = away(rois.reshape(-1, 5)[len(pooled), 1:] * scale)
        height = (bottom - top + 1).clamp_min(1) / rows
        width = (right - left + 1).clamp_min(1) / columns
        grid = [
            plane[:, h0:h1, w0:w1].flatten(1).max(1).values
            if h1 > h0 and w1 > w0
            else plane.new_zeros(len(plane))
            for h0, h1 in bins(top, height, rows, plane.shape[1])
            for w0, w1 in bins(left, width, columns, plane.shape[2])
        ]
        pooled.append(torch.stack(grid, 1).unflatten(1, size))
    return torch.stack(pooled)


def position_sensitive_roi_pool(
    x: Tensor, rois: Tensor, size: int, scale: float
) -> Tensor:
    """Each bin of a region averages its own channel."""
    pooled = []
    for roi in rois.reshape(-1, 5):
        left, top = (away(roi[1:3]) * scale).unbind()
        right, bottom = ((away(roi[3:]) + 1) * scale).unbind()
        height = (bottom - top).clamp_min(0.1) / size
        width = (right - left).clamp_min(0.1) / size
        planes = x[int(roi[0])].unflatten(0, (-1, size, size))
        grid = []
        for i in range(size):
            h0 = int(torch.floor(i * height + top).clamp(0, x.shape[2]))
            h1 = int(torch.ceil((i + 1) * height + top).clamp(0, x.shape[2]))
            for j in range(size):
                w0 = int(torch.floor(j * width + left).clamp(0, x.shape[3]))
                w1 = int(torch.ceil((j + 1) * width + left).clamp(0, x.shape[3]))
                cells = planes[:, i, j, h0:h1, w0:w1].flatten(1)
                empty = cells.shape[1] == 0
                grid.append(cells.new_zeros(len(cells)) if empty else cells.mean(1))
        pooled.append(torch.stack(grid, 1).unflatten(1, (size, size)))
    return torch.stack(pooled)
