"""From a definition and a state (phase, level, stages) to layers and values.

Layers are filtered by their include and exclude rules; blob names are resolved in order. Every top is a new *value*:
`ReLU` in place makes version 1 of `conv1`, and those who name `conv1` afterwards read that. Whether two values may live
in one storage is the planner's question, so writing in place never changes what is computed.
"""

from __future__ import annotations

from dataclasses import dataclass

from netc.errors import Diagnostic
from netc.layer import LayerType, Phase
from netc.schema.record import Record


@dataclass(frozen=True, slots=True)
class State:
    """Which layers of a definition are in the net: NetState of Caffe."""

    phase: Phase = "TEST"
    level: int = 0
    stages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Value:
    """One blob of the net at one moment: the top `top` of node `producer`, read by `consumers` (node, bottom index).

    `version` counts the in-place layers that a blob name went through.
    """

    index: int
    name: str
    version: int
    producer: int
    top: int
    consumers: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Node:
    """A layer of the net. `bottoms` and `tops` are indices of values; `loss_weights` has one entry per top.

    propagate: per bottom, what `propagate_down` says: True (force), False (never), or None (decide by need).
    """

    index: int
    name: str
    type: LayerType
    record: Record
    bottoms: tuple[int, ...]
    tops: tuple[int, ...]
    loss_weights: tuple[float, ...]
    propagate: tuple[bool | None, ...]


@dataclass(frozen=True)
class Graph:
    """A net in one phase. `inputs`: values of Input layers; `outputs`: values nobody reads; both in order of the file."""

    name: str
    state: State
    record: Record
    nodes: tuple[Node, ...]
    values: tuple[Value, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    force_backward: bool = False
    warnings: tuple[Diagnostic, ...] = ()
