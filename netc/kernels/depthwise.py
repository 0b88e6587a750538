"""Convolution of each channel by itself (group = channels), directly: one shifted row at a time.

Images are (channels, height * width), weights (outputs, kernel_h * kernel_w), results (outputs, windows); output o sees
channel o // (outputs / channels). `plane` is that of netc/kernels/im2col.py.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from netc.jit import kernel
from netc.kernels.im2col import inside

Array = NDArray[Any]


@kernel
def correlate(x: Array, weights: Array, y: Array, plane: tuple[int, ...]) -> None:
    """y = the correlation of x with the weights; writes y."""
    height, kernel_h, stride_h, pad_h, step_h, out_h, width, kernel_w, stride_w, pad_w, step_w, out_w = plane
    multiplier = y.shape[0] // x.shape[0]
    y[:] = 0
    for o in range(y.shape[0]):
        c = o // multiplier
        for kh in range(kernel_h):
            for kw in range(kernel_w):
                weight = weights[o, kh * kernel_w + kw]
                left = kw * step_w - pad_w
                first, last = inside(left, stride_w, width, out_w)
                for oh in range(out_h):
                    h = oh * stride_h - pad_h + kh * step_h
                    if 0 <= h < height:
                        at, to = h * width + left, oh * out_w
                        if stride_w == 1:
                            for w in range(first, last):
                                y[o, to + w] += weight * x[c, at + w]
                        else:
                            for w in range(first, last):
                                y[o, to + w] += weight * x[c, at + w * stride_w]


@kernel
def correlate_back(dy: Array, weights: Array, dx: Array, plane: tuple[int, ...]) -> None:
    """The adjoint of `correlate` in x; writes dx."""
    height, kernel_h, stride_h, pad_h, step_h, out_h, width, kernel_w, stride_w, pad_w, step_w, out_w = plane
    multiplier = dy.shape[0] // dx.shape[0]
    dx[:] = 0
    for o in range(dy.shape[0]):
        c = o // multiplier
        for kh in range(kernel_h):
            for kw in range(kernel_w):
                weight = weights[o, kh * kernel_w + kw]
                left = kw * step_w - pad_w
                first, last = inside(left, stride_w, width, out_w)
                for oh in range(out_h):
                    h = oh * stride_h - pad_h + kh * step_h
                    if 0 <= h < height:
                        at, source = h * width + left, oh * out_w
                        for w in range(first, last):
                            dx[c, at + w * stride_w] += weight * dy[o, source + w]


@kernel
def correlate_weights(x: Array, dy: Array, dw: Array, plane: tuple[int, ...]) -> None:
    """The adjoint of `correlate` in the weights; adds to dw."""
    height, kernel_h, stride_h, pad_h, step_h, out_h, width, kernel_w, stride_w, pad_w, step_w, out_w = plane
    multiplier = dy.shape[0] // x.shape[0]
    for o in range(dy.shape[0]):
        c = o // multiplier
        for kh in range(kernel_h):
            for kw in range(kernel_w):
                left = kw * step_w - pad_w
                first, last = inside(left, stride_w, width, out_w)
                total = dw.dtype.type(0)
                for oh in range(out_h):
                    h = oh * stride_h - pad_h + kh * step_h
                    if 0 <= h < height:
                        at, source = h * width + left, oh * out_w
                        for w in range(first, last):
                            total += dy[o, source + w] * x[c, at + w * stride_w]
                dw[o, kh * kernel_w + kw] += total
