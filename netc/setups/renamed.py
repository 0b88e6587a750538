"""Layers whose top is the bottom's values under another name and shape: Flatten, Reshape.

Where the planner gives both one storage, these kernels do not run.
"""

from __future__ import annotations

from netc.layer import Call, Setup, Shape


def renamed(top: Shape) -> Setup:
    """The Setup of such a layer."""
    return Setup(tops=(top,), reads=(), shares=True)


def forward(call: Call) -> None:
    call.tops[0].reshape(-1)[...] = call.bottoms[0].reshape(-1)


def backward(call: Call) -> None:
    dx = call.bottom_diffs[0]
    if dx is not None:
        dx.reshape(-1)[...] = call.top_diffs[0].reshape(-1)
