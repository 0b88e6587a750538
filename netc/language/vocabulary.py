"""What expansion must know of layers, supplied from outside: the language itself knows no layer type."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol


class Vocabulary(Protocol):
    """The layer types and which of a call's fields go where."""

    def layer_types(self) -> Collection[str]:
        """Every known type; if empty, any name is taken for one."""

    def usually(self, name: str) -> str | None:
        """What to write for a layer that others call so (`Conv2D`), if that is known."""

    def message_field(self, type_name: str) -> str | None:
        """The layer's field that holds the type's own message (`convolution_param`), if it has one."""

    def is_own_field(self, type_name: str, name: str) -> bool:
        """Whether the type's own message has this field."""

    def is_layer_field(self, name: str) -> bool:
        """Whether every layer has this field (`param`, `loss_weight`, `include`, ...)."""

    def in_place(self, type_name: str) -> bool:
        """Whether a layer of the type may write over its input."""

    def fields_of_phase(self, phase: str) -> Collection[str]:
        """The fields of the file that may stand in the block of a phase: what they say is of that phase's net."""


class AnyLayer:
    """A vocabulary for text whose layers are unknown: all fields are the layer's, all layers may run in place."""

    def layer_types(self) -> Collection[str]:
        return ()

    def usually(self, name: str) -> str | None:
        return None

    def message_field(self, type_name: str) -> str | None:
        return None

    def is_own_field(self, type_name: str, name: str) -> bool:
        return False

    def is_layer_field(self, name: str) -> bool:
        return True

    def in_place(self, type_name: str) -> bool:
        return True

    def fields_of_phase(self, phase: str) -> Collection[str]:
        return ()
