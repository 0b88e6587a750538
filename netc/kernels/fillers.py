"""Caffe's fillers: how parameter blobs (and DummyData's tops) start.

`n` is fan_in = count / shape[0], fan_out = count / shape[1] (count for one axis), or their mean, as `variance_norm`
says. The draws come from numpy's counter-based Philox4x64 with our own transformations to uniform and normal numbers,
so that they are a pure function of (seed, stream, iteration, part) and do not change with numpy's version.

Formulas: xavier, Glorot & Bengio 2010; msra, He et al. 2015; bilinear, the upsampling kernel of Long et al. 2015;
normal numbers, Box & Muller 1958. `image` is netc's own; whoever fills says how a file is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil, prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.errors import Code, Diagnostic, suggest

BAD_FILLER = Code(
    "LAY110",
    "a filler cannot fill this blob",
    why="A filler says how a blob starts. Its type must be one that exists; only gaussian can be sparse, and bilinear "
    "fills 4-d blobs with square kernels only.",
    example="x = Input() { shape { dim: [2, 3, 8, 8] } }\n"
    'fc = InnerProduct(x) { num_output: 10 weight_filler { type: "gausian" std: 0.01 } }',
    fix='weight_filler { type: "gaussian" std: 0.01 }',
)

_CHUNK = 1 << 18  # draws at a time: keeps the temporary arrays in the processor's cache
_MASK = 2**64 - 1

Array = NDArray[Any]
Read = Callable[[Any, tuple[int, int, int]], Array]
"""From an image filler and channels, height and width to the image's pixels, 0..255, in that shape."""


def fill(
    array: Array, filler: Any, seed: int, stream: int, iteration: int = 0, part: int = 0, read: Read | None = None
) -> None:
    """Fill an array in place by a FillerParameter record or a constant. `check` must have nothing against it.

    The numbers depend on (seed, stream, iteration, part), on the filler and on the shape; nothing else but, where
    there is a `read`, the file that the filler names. Raises what `read` raises.
    """
    if isinstance(filler, int | float):
        array[...] = filler
        return
    out = array.reshape(-1)
    if not np.shares_memory(out, array):
        raise ValueError("fill needs a C-contiguous array")
    FILLERS[filler.type](out, array.shape, filler, Draws(seed, stream, iteration, part, read))


def check(filler: Any, shape: tuple[int, ...], files: bool = True) -> Diagnostic | None:
    """What speaks against filling a blob of this shape (Caffe's own checks), or None. files: may one be read?"""
    if isinstance(filler, int | float):
        return None
    field, message = _problem(filler, shape)
    if filler.type == "image" and not files:
        field, message = "type", "image fills parameters only; read images by a data layer (ImageData)"
    if not message:
        return None
    other = OTHER_NAMES.get(filler.type.lower().replace("_", "")) if field == "type" else None
    close = other or (suggest(filler.type, FILLERS) if field == "type" else None)
    help = f'did you mean "{close}"?' if close and close != filler.type else None
    return Diagnostic(BAD_FILLER, message, filler.span_of(field), (), help)


def _problem(filler: Any, shape: tuple[int, ...]) -> tuple[str, str]:
    kind = filler.type
    if kind not in FILLERS:
        return "type", f'unknown filler type "{kind}"; the types are {", ".join(FILLERS)}'
    if filler.sparse != -1 and kind != "gaussian":
        return "sparse", f"sparse: {filler.sparse} goes with a gaussian filler only, not with {kind}"
    if filler.sparse < -1 or (filler.sparse >= 0 and filler.sparse > shape[0]):
        return "sparse", f"sparse: {filler.sparse} must be between 0 and the number of outputs, {shape[0]}"
    if kind == "uniform" and filler.min > filler.max:
        return "min", f"min: {filler.min:g} is larger than max: {filler.max:g}"
    if kind == "gaussian" and filler.std < 0:
        return "std", f"std: {filler.std:g} is negative"
    if kind == "bilinear" and (len(shape) != 4 or shape[2] != shape[3]):
        return "type", f"bilinear fills 4-d blobs with square kernels, not a blob of shape {'x'.join(map(str, shape))}"
    return _image_problem(filler, shape)


def _image_problem(filler: Any, shape: tuple[int, ...]) -> tuple[str, str]:
    if filler.type != "image":
        given = {"source": bool(filler.source), "mean_value": bool(len(filler.mean_value)), "scale": filler.scale != 1}
        other = next((field for field, written in given.items() if written), "")
        return other, f"{other} goes with an image filler, not with {filler.type}" if other else ""
    channels = shape[-3] if len(shape) in (3, 4) else 0
    if not filler.source:
        return "source", "image needs source, the file to fill from"
    if channels not in (1, 3):
        text = "x".join(map(str, shape))
        return "type", f"image fills blobs of 1 or 3 channels x height x width, not a blob of shape {text}"
    if len(filler.mean_value) not in (0, 1, channels):
        return "mean_value", f"mean_value must be one number, or one for each of {channels} channels"
    return "", ""


class Draws:
    """A sequence of random numbers, given out in chunks with the place where they belong; and how files are read."""

    def __init__(self, seed: int, stream: int, iteration: int, part: int, read: Read | None = None) -> None:
        self.read = read
        counter = np.array([0, 0, part & _MASK, iteration & _MASK], np.uint64)
        self._bits = np.random.Philox(key=np.array([seed & _MASK, stream & _MASK], np.uint64), counter=counter)

    def uniform(self, count: int) -> Iterator[tuple[slice, Array]]:
        """Numbers in [0, 1), multiples of 2^-53."""
        for start in range(0, count, _CHUNK):
            size = min(_CHUNK, count - start)
            yield slice(start, start + size), self._unit(size)

    def normal(self, count: int) -> Iterator[tuple[slice, Array]]:
        """Numbers with mean 0 and standard deviation 1."""
        for start in range(0, count, _CHUNK):
            size = min(_CHUNK, count - start)
            half = (size + 1) // 2
            radius = np.sqrt(-2 * np.log1p(-self._unit(half)))
            angle = 2 * np.pi * self._unit(half)
            yield slice(start, start + size), np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:size]

    def _unit(self, count: int) -> Array:
        raw: Array = self._bits.random_raw(count)
        return (raw >> np.uint64(11)) * 2.0**-53


def _constant(out: Array, shape: tuple[int, ...], filler: Any, draws: Draws) -> None:
    """`value` everywhere."""
    out[:] = filler.value


def _uniform(out: Array, shape: tuple[int, ...], filler: Any, draws: Draws) -> None:
    """Uniform between `min` and `max`."""
    _spread(out, draws, filler.min, filler.max)


def _gaussian(out: Array, shape: tuple[int, ...], filler: Any, draws: Draws) -> None:
    """Normal, of `mean` and `std`; with `sparse`, about that many weights of each input, the others 0."""
    for at, normal in draws.normal(out.size):
        out[at] = filler.mean + filler.std * normal
    if filler.sparse >= 0:  # about `sparse` non-zero weights for each input
        for at, uniform in draws.uniform(out.size):
            out[at][uniform >= filler.sparse / shape[0]] = 0


def _positive_unitball(out: Array, shape: tuple[int, ...], filler: Any, draws: Draws) -> None:
    """Uniform between 0 and 1, divided so that each output's weights sum to 1."""
    _spread(out, draws, 0.0, 1.0)
    rows = out.reshape(shape[0] if shape else 1, -1)
    rows /= rows.sum(1, keepdims=True)


def _xavier(out: Array, shape: tuple[int, ...], filler: Any, draws: Draws) -> None:
    """Uniform between -sqrt(3 / n) and sqrt(3 / n); n as `variance_norm` says (Glorot & Bengio 2010)."""
    limit = sqrt(3 / fan(shape, filler.variance_norm))
    _spread(out, draws, -limit, limit)


def _msra(out: Array, shape: tuple[int, ...], filler: Any, draws: Draws) -> None:
    """Normal, of mean 0 and variance 2 / n; n as `variance_norm` says (He et al. 2015)."""
    std = sqrt(2 / fan(shape, filler.variance_norm))
    for at, normal in draws.normal(out.size):
        out[at] = std * normal


def _bilinear(out: Array, shape: tuple[int, ...], filler: Any, draws: Draws) -> None:
    """The kernel of bilinear upsampling, for Deconvolution (Long et al. 2015)."""
    width = shape[3]
    factor = ceil(width / 2)
    centre = (width - 1) / (2 * factor)
    line = 1 - np.abs(np.arange(width) / factor - centre)
    out.reshape(-1, width, width)[:] = np.outer(line, line)


def _image(out: Array, shape: tuple[int, ...], filler: Any, draws: Draws) -> None:
    """The file `source`, resized: (pixel - `mean_value`) * `scale`, pixels 0..255, blue first; for every item."""
    assert draws.read is not None
    channels, height, width = shape[-3:]
    pixels = draws.read(filler, (channels, height, width)).astype(np.float64)
    pixels -= np.array(tuple(filler.mean_value) or (0.0,))[:, None, None]
    out.reshape(-1, channels, height, width)[:] = pixels * filler.scale


def _spread(out: Array, draws: Draws, low: float, high: float) -> None:
    for at, uniform in draws.uniform(out.size):
        out[at] = low + (high - low) * uniform


def fan(shape: tuple[int, ...], norm: str) -> float:
    """`n` of xavier and msra for a FillerParameter.VarianceNorm."""
    count = prod(shape)
    fan_in = count / shape[0] if shape else count
    fan_out = count / shape[1] if len(shape) > 1 else count
    return {"FAN_IN": fan_in, "FAN_OUT": fan_out, "AVERAGE": (fan_in + fan_out) / 2}[norm]


FILLERS: dict[str, Callable[[Array, tuple[int, ...], Any, Draws], None]] = {
    "constant": _constant,
    "uniform": _uniform,
    "gaussian": _gaussian,
    "positive_unitball": _positive_unitball,
    "xavier": _xavier,
    "msra": _msra,
    "bilinear": _bilinear,
    "image": _image,
}
OTHER_NAMES: dict[str, str] = {
    **dict.fromkeys(("he", "henormal", "heuniform", "kaiming", "kaimingnormal", "kaiminguniform"), "msra"),
    **dict.fromkeys(("glorot", "glorotnormal", "glorotuniform", "xaviernormal", "xavieruniform"), "xavier"),
    **dict.fromkeys(("normal", "randomnormal", "truncatednormal"), "gaussian"),
    **dict.fromkeys(("ones", "one", "zeros", "zero"), "constant"),
    "randomuniform": "uniform",
}
"""What others call fillers, in lower case and without `_`."""
