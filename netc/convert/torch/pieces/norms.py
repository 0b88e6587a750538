import torch
from torch import Tensor, nn


class BatchNorm(nn.BatchNorm1d):
    """Batch normalization whose statistics move as Caffe's: `factor` is the weight of
    all batches so far, so the first ones count fully. Any number of axes."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True):
        super().__init__(num_features, eps, momentum, affine)
        self.register_buffer("factor", torch.tensor(0.0))

    def forward(self, x: Tensor) -> Tensor:
        share = 0.0
        if self.training:
            self.factor.mul_(1 - self.momentum).add_(1)
            share = 1 / self.factor.item()
        statistics = (self.running_mean, self.running_var)
        affine = (self.weight, self.bias)
        return nn.functional.batch_norm(
            x, *statistics, *affine, self.training, share, self.eps
        )


class BiasedBatchNorm(nn.BatchNorm1d):
    """Batch normalization that keeps the biased variance, as TSN's and PSPNet's BN."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__(num_features, eps, momentum)

    def forward(self, x: Tensor) -> Tensor:
        affine = (self.weight, self.bias)
        if not self.training:
            statistics = (self.running_mean, self.running_var)
            return nn.functional.batch_norm(
                x, *statistics, *affine, False, 0.0, self.eps
            )
        with torch.no_grad():
            axes = [axis for axis in range(x.dim()) if axis != 1]
            variance, mean = torch.var_mean(x, axes, correction=0)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance, self.momentum)
        return nn.functional.batch_norm(x, None, None, *affine, True, 0.0, self.eps)


class FrozenBatchNorm(nn.BatchNorm1d):
    """Batch normalization by the stored statistics, in training too."""

    def forward(self, x: Tensor) -> Tensor:
        statistics = (self.running_mean, self.running_var)
        affine = (self.weight, self.bias)
        return nn.functional.batch_norm(x, *statistics, *affine, False, 0.0, self.eps)


class Scale(nn.Module):
    """A learned factor for each cell of `shape`, which begins at `axis`, and a bias."""

    def __init__(self, shape: tuple[int, ...], axis: int = 1, bias: bool = False):
        super().__init__()
        self.axis = axis
        self.weight = nn.Parameter(torch.ones(shape))
        self.bias = nn.Parameter(torch.zeros(shape)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        y = x * spread(self.weight, x, self.axis)
        return y if self.bias is None else y + spread(self.bias, x, self.axis)


class Bias(nn.Module):
    """A learned bias for each cell of `shape`, which lies from `axis` on."""

    def __init__(self, shape: tuple[int, ...], axis: int = 1):
        super().__init__()
        self.axis = axis
        self.bias = nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        return x + spread(self.bias, x, self.axis)


def spread(values: Tensor, x: Tensor, axis: int) -> Tensor:
    """Values for the axes of x from `axis` on, with ones behind for the others."""
    behind = x.dim() - axis - values.dim() if values.dim() else 0
    return values.reshape(values.shape + (1,) * behind)


class LocalResponseNormWithin(nn.Module):
    """Local response normalization over squares of each plane."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75):
        super().__init__()
        self.size, self.alpha, self.beta = size, alpha, beta

    def forward(self, x: Tensor) -> Tensor:
        mean = nn.functional.avg_pool2d(
            x.square(), self.size, stride=1, padding=self.size // 2
        )
        return x * (1 + self.alpha * mean) ** -self.beta


class Normalize(nn.Module):
    """Vectors of length 1 (the channels of a cell, or a whole image), times a scale."""

    def __init__(self, channels=1, across_spatial=True, eps=1e-10):
        super().__init__()
        self.across_spatial, self.eps = across_spatial, eps
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        axes = tuple(range(1, x.dim())) if self.across_spatial else (1,)
        y = x / (x.square().sum(axes, keepdim=True) + self.eps).sqrt()
        return y * spread(self.weight, x, 1)


class MeanVarianceNorm(nn.Module):
    """Each channel of each image (or each image) less its mean, over its deviation."""

    def __init__(self, across_channels=False, normalize_variance=True, eps=1e-9):
        super().__init__()
        self.first = 1 if across_channels else 2
        self.normalize_variance, self.eps = normalize_variance, eps

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(*x.shape[: self.first], -1)
        rows = rows - rows.mean(-1, keepdim=True)
        if self.normalize_variance:
            variance = rows.square().mean(-1, keepdim=True)
            rows = rows / (variance.clamp_min(1e-30).sqrt() + self.eps)
        return rows.view_as(x)


class UnscaledDropout(nn.Module):
    """Dropout that scales at test and not in training."""

    def __init__(self, p: float = 0.5):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return (1 - self.p) * x
        return x * (torch.rand_like(x) >= self.p)


class Whitening(nn.Module):
    """Each item, taken as one vector, moved by a mean and turned by a matrix (without
    `keep`: scaled value by value). They are statistics of the data, not learned."""

    def __init__(self, size: int, keep: int | None = None, as_it_was: bool = False):
        super().__init__()
        self.as_it_was = as_it_was
        self.register_buffer("mean", torch.zeros(size))
        shape = (size,) if keep is None else (keep, size)
        self.register_buffer("matrix", torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        y = x.flatten(1) - self.mean
        y = y * self.matrix if self.matrix.dim() == 1 else y @ self.matrix.T
        return y.reshape(x.shape) if self.as_it_was else y
