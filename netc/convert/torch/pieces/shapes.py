import torch
from torch import Tensor, nn


class Crop(nn.Module):
    """A part of x, as large as another blob along every axis from `axis` on."""

    def __init__(self, axis: int, offset: int | tuple[int, ...] = 0):
        super().__init__()
        self.axis, self.offset = axis, offset

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        for axis in range(self.axis, x.dim()):
            one = isinstance(self.offset, int)
            start = self.offset if one else self.offset[axis - self.axis]
            x = x.narrow(axis, start, like.shape[axis])
        return x


class Constant(nn.Module):
    """Values that do not depend on the input."""

    def __init__(self, *shapes: tuple[int, ...]):
        super().__init__()
        names = [f"value{i}" for i in range(len(shapes))] if shapes[1:] else ["value"]
        for name, shape in zip(names, shapes, strict=True):
            self.register_buffer(name, torch.zeros(shape))


class BiasedEmbedding(nn.Embedding):
    """A vector for each index, and a bias for all."""

    def __init__(self, num_embeddings: int, embedding_dim: int):
        super().__init__(num_embeddings, embedding_dim)
        self.bias = nn.Parameter(torch.zeros(embedding_dim))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.long()) + self.bias


class GradientReversal(torch.autograd.Function):
    """x, whose gradient is turned around and multiplied by a scale."""

    @staticmethod
    def forward(ctx, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx, dy: Tensor) -> tuple[Tensor, None]:
        return -ctx.scale * dy, None


def reverse_sequences(x: Tensor, cont: Tensor, axis: int = 0) -> Tensor:
    """Each sequence along an axis turned around; one begins where cont is 0."""
    begins, count = cont == 0, x.shape[axis]
    steps = torch.arange(count).to(cont.device).unsqueeze(1 - axis)
    first = torch.where(begins, steps, 0).cummax(axis).values
    ends = begins.roll(-1, axis)
    ends.narrow(axis, count - 1, 1).fill_(True)
    last = torch.where(ends, steps, count).flip(axis).cummin(axis).values.flip(axis)
    index = (first + last - steps).reshape(*cont.shape, *(1,) * (x.dim() - 2))
    return x.gather(axis, index.expand_as(x))


def one_hot(
    x: Tensor, classes: int, axis: int = -1, ignore_label: int | None = None
) -> Tensor:
    """1 at the class that each value names, else 0; zeros for the ignored label."""
    index = x.long()
    known = torch.ones_like(x) if ignore_label is None else (index != ignore_label)
    made = nn.functional.one_hot(index * known.long(), classes) * known.unsqueeze(-1)
    return made.to(x.dtype).movedim(-1, axis)


def larger(a: Tensor, b: Tensor) -> Tensor:
    """The larger of each pair, b where they are equal; only it gets the gradient."""
    return torch.where(a > b, a, b)


def gram_matrix(x: Tensor, normalize: bool = True) -> Tensor:
    """Products of all pairs of channels, summed over positions (their mean)."""
    rows = x.flatten(2)
    products = rows @ rows.mT
    return products / rows.shape[2] if normalize else products


def cosine_similarity(a: Tensor, b: Tensor, axis: int, eps: float) -> Tensor:
    """The cosine of the angle between vectors along an axis."""
    lengths = a.norm(dim=axis) * b.norm(dim=axis)
    return (a * b).sum(axis) / lengths.clamp_min(eps)


def arg_max(
    x: Tensor, top_k: int, axis: int | None = None, values: bool = False
) -> Tensor:
    """Indices of the largest values, as floats; of equal ones, the last comes first."""
    along = x.flatten(1) if axis is None else x.movedim(axis, -1)
    found, place = along.flip(-1).sort(dim=-1, descending=True, stable=True)
    found = found[..., :top_k]
    index = (along.shape[-1] - 1 - place[..., :top_k]).to(x.dtype)
    if axis is not None:
        return (found if values else index).movedim(-1, axis)
    made = torch.stack([index, found], 1) if values else index.unsqueeze(1)
    return made.reshape(*made.shape, *(1,) * (x.dim() - 3))


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    heads: int,
    scale: float,
    causal: bool = False,
    mask: Tensor | None = None,
) -> Tensor:
    """softmax(scale q k^T) v for each head; a position that sees nothing gives 0."""
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    scores = scale * q @ k.mT
    seen = torch.ones_like(scores, dtype=torch.bool)
    if causal:
        seen = seen.tril()
    if mask is not None:
        seen = seen & (mask != 0)[:, None, None, :]
    shares = torch.softmax(scores.masked_fill(~seen, -1e30), -1) * seen
    return (shares @ v).transpose(1, 2).flatten(2)
