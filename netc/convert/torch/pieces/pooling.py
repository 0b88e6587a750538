import torch
from torch import Tensor, nn


class AveragePool(nn.Module):
    """Averages of windows over a padded plane: `padding` and `counted` are left, right,
    top, bottom. Cells of the plane count in an average, and `counted` around it."""

    def __init__(
        self, kernel_size, stride=1, dilation=1, padding=(0,) * 4, counted=(0,) * 4
    ):
        super().__init__()
        both = kernel_size if isinstance(kernel_size, tuple) else (kernel_size,) * 2
        self.kernel_size, self.stride, self.dilation = both, stride, dilation
        self.padding, self.counted = padding, counted

    def forward(self, x: Tensor) -> Tensor:
        beyond = [p - c for p, c in zip(self.padding, self.counted, strict=True)]
        ones = nn.functional.pad(torch.ones_like(x[:1, :1]), self.counted, value=1.0)
        sums = self.sums(nn.functional.pad(x, self.padding))
        return sums / self.sums(nn.functional.pad(ones, beyond)).clamp_min(1)

    def sums(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        kernel = x.new_ones(channels, 1, *self.kernel_size)
        window = {"stride": self.stride, "dilation": self.dilation, "groups": channels}
        return nn.functional.conv2d(x, kernel, **window)


class StochasticPool(AveragePool):
    """In training one cell of each window, drawn as often as it is large; else what
    that gives on average. Values must not be negative."""

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.pad(x, self.padding)
        if not self.training:
            sums = self.sums(x)
            return torch.where(sums > 0, self.sums(x.square()) / sums, 0.0)
        window = {"stride": self.stride, "dilation": self.dilation}
        cells = nn.functional.unfold(x, self.kernel_size, **window)
        rows = cells.unflatten(1, (x.shape[1], -1)).transpose(2, 3)
        weights = torch.where(rows.sum(-1, keepdim=True) > 0, rows, 1.0)
        chosen = torch.multinomial(weights.flatten(0, 2).detach(), 1)
        values = rows.flatten(0, 2).gather(1, chosen)
        return values.reshape(*rows.shape[:2], *self.sums(x).shape[2:])


class StochasticPyramid(nn.Module):
    """Stochastic pooling by windows of several sizes, side by side, one after the other
    in a row of values."""

    def __init__(self, windows: tuple[tuple[int, int], ...]) -> None:
        super().__init__()
        levels = (StochasticPool(window, stride=window) for window in windows)
        self.levels = nn.ModuleList(levels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([level(x).flatten(1) for level in self.levels], 1)


def pooled_with_mask(pool: nn.MaxPool2d, x: Tensor) -> tuple[Tensor, Tensor]:
    """Maxima, and where in its plane each is, as a float."""
    y, index = pool(x)
    return y, index.to(x.dtype)


def unpooled(x: Tensor, mask: Tensor, size: tuple[int, int]) -> Tensor:
    """A plane of zeros in which cell mask[i] gets x[i]; -1 is no cell."""
    height, width = size
    cells = mask.flatten(2).long()
    plane = x.new_zeros(*x.shape[:2], height * width + 1)
    plane = plane.scatter(
        2, torch.where(cells < 0, height * width, cells), x.flatten(2)
    )
    return plane[:, :, :-1].unflatten(2, (height, width))
