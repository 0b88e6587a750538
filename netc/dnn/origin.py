"""What a net was read from, and the net made of it, with classes of the script for some of its layer types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from netc import run
from netc.api.definition import Definition
from netc.api.planner import Planner
from netc.api.sized import SizedNet
from netc.catalogue import Catalogue
from netc.dnn.own_layers import Blobs, Fields, own_type
from netc.dnn.registry import Maker, registered
from netc.errors import Diagnostic, NetError, warn
from netc.graph import FORK_TYPE, UNKNOWN_TYPE, State
from netc.layer import Array
from netc.schema.weights import Weights

Classes = Mapping[str, Maker]
WAITING = (UNKNOWN_TYPE, FORK_TYPE)
"""What is wrong with a net whose classes have still to be registered."""


@dataclass
class Origin:
    """A definition and its weights.

    fields: what only a class of the script knows of a layer, by the layer's name.
    weights: the file's, until a net has them.
    """

    definition: Definition
    fields: Fields
    weights: Weights | None
    source: str

    def classes(self) -> dict[str, Maker]:
        """The classes that are registered now for types of this net."""
        types = {layer.type for layer in self.definition.record.layer}
        return {type: maker for type, maker in registered().items() if type in types}

    def net(self, classes: Classes, before: SizedNet | None = None) -> SizedNet:
        """The net with these classes, and with the parameters of the one that was made before. Raises NetError."""
        blobs = self._blobs(before)
        own = {type: own_type(type, maker, self._messages(), self.fields, blobs) for type, maker in classes.items()}
        types = Catalogue({**self.definition.types.types, **own})
        planner = Planner(replace(self.definition, types=types), State("TEST"), training=(False,))
        net = SizedNet(planner, {}, executor="fast")
        if before is None and self.weights is not None:
            warn(run.load_weights(net, self.weights, source=self.source).warnings, stacklevel=2)
        for key, arrays in before.params.items() if before is not None else ():
            _copy(arrays, net.params.get(key, ()))
        self.weights = None
        return net

    def _blobs(self, before: SizedNet | None) -> Blobs:
        if before is not None:
            return before.params
        return {layer.name: layer.blobs for layer in self.weights.layers} if self.weights else {}

    def _messages(self) -> tuple[str, ...]:
        fields = self.definition.schema.message("LayerParameter").fields
        return tuple(name for name, field in fields.items() if field.message is not None)


def only_unknown_types(error: NetError) -> bool:
    """Whether all that is wrong with a net is that classes have still to be registered."""
    return all(d.code in WAITING for d in error.diagnostics if d.severity == "error")


@contextmanager
def offering_classes() -> Iterator[None]:
    """Within `with`, the help on unknown layer types says that a script may give a class for one."""
    try:
        yield
    except NetError as error:
        raise NetError([_with_offer(d) if d.code in WAITING else d for d in error.diagnostics]) from error.__cause__


def _with_offer(found: Diagnostic) -> Diagnostic:
    offer = "a script gives a class for it by cv2.dnn_registerLayer(type, class)"
    return replace(found, help=f"{found.help}; {offer}" if found.help else offer)


def _copy(arrays: tuple[Array, ...], targets: tuple[Array, ...]) -> None:
    for array, target in zip(arrays, targets, strict=False):
        if array.shape == target.shape:
            target[...] = array
