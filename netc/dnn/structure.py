"""What a net is made of, as cv2.dnn says it: layers, inputs, figures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from netc.api.sized import SizedNet
from netc.dnn.errors import EMPTY, as_opencv_raises, refuse
from netc.dnn.figures import Figures
from netc.dnn.layers import Layer
from netc.dnn.naming import input_names, named, unconnected
from netc.dnn.origin import Classes, Origin, offering_classes, only_unknown_types
from netc.errors import NetError, suggest
from netc.graph import Node
from netc.layer import Array, Shape
from netc.run.codes import UNKNOWN_LAYER


class Structure:
    """A net that was read, and what is known of it without running it. Without an origin it has no layers."""

    def __init__(self, origin: Origin | None = None) -> None:
        self._origin = origin
        self._made: SizedNet | None = None
        self._classes: Classes = {}
        self._nodes: dict[str, Node] = {}
        self._has_run = False
        try:
            self._make()
        except NetError as error:
            if not only_unknown_types(error):
                raise

    def _make(self) -> None:
        """Make the net; again while it has not run and other classes are registered for its types."""
        origin = self._origin
        if origin is None or self._has_run:
            return
        classes = origin.classes()
        if self._made is None or classes != self._classes:
            with as_opencv_raises(), offering_classes():
                self._made = origin.net(classes, self._made)
            self._classes, self._nodes = classes, named(self._made.graph)

    @property
    def _net(self) -> SizedNet:
        self._make()
        if self._made is None:
            raise refuse(EMPTY, "the net has no layers", help="read one with readNetFromCaffe")
        return self._made

    @property
    def _names(self) -> tuple[str, ...]:
        self._make()
        return tuple(self._nodes)

    def empty(self) -> bool:
        """Whether there are no layers."""
        return self._origin is None

    # ------------------------------------------------------------ layers

    def getLayerNames(self) -> tuple[str, ...]:
        """The names of all layers in order, those that hold inputs left out."""
        return self._names

    def getLayerId(self, layer: str) -> int:
        """A layer's number: from 1 in order; 0 is what holds the inputs; -1 if there is none of that name."""
        if layer == "_input":
            return 0
        self._make()
        return self._names.index(layer) + 1 if layer in self._nodes else -1

    def getLayer(self, layerId: int | str) -> Layer:
        """A layer by its number or name."""
        if isinstance(layerId, str):
            return Layer(layerId, self._net, self._known(layerId))
        number, net = int(layerId), self._net
        if not 0 <= number <= len(self._names):
            raise refuse(UNKNOWN_LAYER, f"the net has no layer {number}", help=f"it has 0 to {len(self._names)}")
        name = self._names[number - 1] if number else "_input"
        return Layer(name, net, self._nodes[name] if number else None)

    def _known(self, name: str) -> Node:
        net = self._net
        if name not in self._nodes:
            close = suggest(name, self._nodes)
            help = f'did you mean "{close}"?' if close else None
            raise refuse(UNKNOWN_LAYER, f'net "{net.graph.name}" has no layer "{name}"', help=help)
        return self._nodes[name]

    def getLayerTypes(self) -> tuple[str, ...]:
        """The types of the layers, each once, in the order of the alphabet."""
        return tuple(sorted({"__NetInputLayer__", *(self._nodes[name].record.type for name in self._names)}))

    def getLayersCount(self, layerType: str) -> int:
        """How many layers of a type there are."""
        return sum(self._nodes[name].record.type == layerType for name in self._names)

    def getUnconnectedOutLayers(self) -> Array:
        """The numbers of the layers that no other reads, as a one-dimensional array."""
        numbers = [self.getLayerId(name) for name in self.getUnconnectedOutLayersNames()]
        return np.array(numbers, np.int32)

    def getUnconnectedOutLayersNames(self) -> tuple[str, ...]:
        """The names of the layers that no other reads."""
        return tuple(unconnected(self._net.graph))

    def getParam(self, layer: int | str, numParam: int = 0) -> Array:
        """A copy of a parameter blob of a layer."""
        return self.getLayer(layer).blob(numParam)

    def setParam(self, layer: int | str, numParam: int, blob: Any) -> None:
        """Replace a parameter blob of a layer by as many values."""
        self.getLayer(layer).write(numParam, blob)

    def _inputs(self) -> list[str]:
        return input_names(self._net.graph)

    def input_shapes(self) -> dict[str, Shape]:
        """The shapes that the inputs have now, by name: the prototxt's, until others are set. (OpenCV has no such.)"""
        net = self._net
        return {name: net.inputs[name].shape for name in self._inputs()}

    # ------------------------------------------------------------ figures

    def getLayersShapes(self, netInputShapes: Any) -> tuple[Array, tuple[Any, ...], tuple[Any, ...]]:
        """The numbers of the layers, and the shapes of what each reads and makes, for inputs of these shapes.

        netInputShapes: the shape of the input, or a list of shapes, one for each. Raises error(RUN089, PLN..., LAY...).
        """
        return self._figures(netInputShapes).layers_shapes()

    def getFLOPS(self, *asked: Any, **named: Any) -> int:
        """`getFLOPS([layerId,] netInputShapes)`: the operations of a layer, or of the whole net, as OpenCV counts them.

        Raises as `getLayersShapes`.
        """
        layers, figures = self._asked(*asked, **named)
        return sum(figures.flops(layer) for layer in layers)

    def getMemoryConsumption(self, *asked: Any, **named: Any) -> tuple[int, int]:
        """`getMemoryConsumption([layerId,] netInputShapes)`: bytes of the parameters, and of all that layers make.

        Of a layer, or of the whole net; netc itself takes less, since blobs share memory. Raises as `getLayersShapes`.
        """
        layers, figures = self._asked(*asked, **named)
        weights, blobs = zip(*map(figures.memory, layers), strict=True)
        return sum(weights), sum(blobs)

    def _asked(
        self, *asked: Any, layerId: int | None = None, netInputShapes: Any = None, netInputShape: Any = None
    ) -> tuple[Iterable[int], Figures]:
        """Which layers are asked about, and the net for these shapes."""
        layer = asked[0] if len(asked) == 2 else layerId
        shapes = asked[-1] if asked else netInputShapes if netInputShape is None else netInputShape
        figures = self._figures(shapes)
        if layer is None:
            return range(len(figures.rows)), figures
        self.getLayer(layer)
        return [int(layer)], figures

    def _figures(self, shapes: Any) -> Figures:
        with as_opencv_raises():
            return Figures(self._net, shapes)
