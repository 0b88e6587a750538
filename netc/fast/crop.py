"""Crop of rows, columns and channels from a blocked bottom: a copy from, and to, the inside of the blob."""

from __future__ import annotations

from dataclasses import replace

from netc.fast.machine.channels import copied
from netc.fast.machine.layout import Blocked, Halo
from netc.fast.machine.moves import filled
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.lowered import Layout
from netc.kernels.geometry import CropGeometry
from netc.plan.model import Step


def _starts(b: Builder, layer: int) -> tuple[int, ...]:
    """Where the top begins along each axis."""
    return tuple(part.start or 0 for part in b.planned(layer).setup.known(CropGeometry).parts)


def accepts(b: Builder, layer: int) -> Layout | None:
    node = b.plan.graph.nodes[layer]
    bottom, top = b.plan.shapes[node.bottoms[0]], b.plan.shapes[node.tops[0]]
    whole_batch = len(bottom) == 4 and bottom[0] == top[0]
    return "blocked" if whole_batch and b.native.get(node.bottoms[0]) == "blocked" else None


def _window(blob: Blocked, start: tuple[int, ...], size: tuple[int, ...]) -> Blocked:
    """Rows and columns of a blob, as a blob: what lies around them is its halo."""
    (_, _, top, left), halo = start, blob.halo
    below, right = blob.h - top - size[2], blob.w - left - size[3]
    around = Halo(halo.top + top, halo.left + left, halo.bottom + below, halo.right + right)
    return replace(blob, h=size[2], w=size[3], halo=around)


def forward(b: Builder, layer: int) -> None:
    x, start, size = b.read(b.bottom(layer)), _starts(b, layer), b.shape(b.top(layer))
    y = b.write(b.top(layer))
    b.emit(copied(_window(x, start, size), start[1], y, 0, size[1]), "crop")


def backward(b: Builder, step: Step) -> None:
    if (target := step.bottom_diffs[0]) is not None:
        start, dy = _starts(b, step.layer), b.read(step.top_diffs[0])
        size = b.shape(step.top_diffs[0])
        dx = b.write(target)
        b.emit(filled(dx, 0), "crop gradient")
        b.emit(copied(dy, 0, _window(dx, start, size), start[1], size[1]), "crop gradient")


FAMILY = Family(("Crop", "CropCenter"), accepts, forward, backward)
