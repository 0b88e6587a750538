"""pycaffe's passes over a net: the whole of it or from layer to layer, one batch or many."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from netc.caffe.blobs import Blob
from netc.caffe.engine import Engine
from netc.caffe.errors import PASS_ARGUMENTS, as_pycaffe_raises, refuse
from netc.errors import suggest
from netc.layer import Array
from netc.run.codes import UNKNOWN_BLOB, UNKNOWN_LAYER


class Passes:
    """Forward and backward of a Net."""

    _engine: Engine
    _layer_names: list[str]

    if TYPE_CHECKING:

        @property
        def blobs(self) -> OrderedDict[str, Blob]: ...
        @property
        def inputs(self) -> list[str]: ...
        @property
        def outputs(self) -> list[str]: ...
        @property
        def top_names(self) -> OrderedDict[str, list[str]]: ...
        @property
        def bottom_names(self) -> OrderedDict[str, list[str]]: ...

    # ------------------------------------------------------------ one batch

    def forward(
        self, blobs: Sequence[str] | None = None, start: str | None = None, end: str | None = None, **kwargs: Any
    ) -> dict[str, Array]:
        """Run layers `start` to `end` (both included), and give the outputs as arrays of the net: copy what must last.

        blobs: further blobs to give. kwargs: an array for each input. With `end`, its tops count as the outputs.
        Raises CaffeError: RUN010 and RUN013 for names that the net does not have, RUN060 for inputs that do not fit.
        """
        first, last = self._index(start, 0), self._index(end, len(self._layer_names) - 1)
        outputs = self.outputs if end is None else self.top_names[end]
        wanted = self._known([*outputs, *(blobs or ())])
        with as_pycaffe_raises(), self._engine.setting() if kwargs else nullcontext():
            self._fill(kwargs, self.inputs, "input", lambda name: self.blobs[name].data)
        self._engine.expect(wanted)
        self._forward(first, last)
        return {name: self.blobs[name].data for name in wanted}

    def backward(
        self, diffs: Sequence[str] | None = None, start: str | None = None, end: str | None = None, **kwargs: Any
    ) -> dict[str, Array]:
        """Run backward from layer `start` down to `end` (both included), and give the gradients of the inputs.

        diffs: further blobs whose gradients to give. kwargs: the gradient of each output. With `end`, the gradients of
        its bottoms are given. Raises CaffeError as `forward`, and RUN014 for a net without backward.
        """
        first, last = self._index(start, len(self._layer_names) - 1), self._index(end, 0)
        outputs = self.inputs if end is None else self.bottom_names[end]
        wanted = self._known([*outputs, *(diffs or ())])
        self._fill(kwargs, self.outputs, "output", lambda name: self.blobs[name].diff)
        self._backward(first, last)
        return {name: self.blobs[name].diff for name in wanted}

    def _forward(self, start: int, end: int) -> float:
        with as_pycaffe_raises():
            return self._engine.run_forward(start, end)

    def _backward(self, start: int, end: int) -> None:
        with as_pycaffe_raises():
            self._engine.run_backward(start, end)

    def _index(self, name: str | None, default: int) -> int:
        if name is None:
            return default
        if name not in self._layer_names:
            close = suggest(name, self._layer_names)
            help = f'did you mean "{close}"?' if close else None
            raise refuse(UNKNOWN_LAYER, f'the net has no layer "{name}"', help=help)
        return self._layer_names.index(name)

    def _known(self, names: list[str]) -> list[str]:
        for name in names:
            if name not in self.blobs:
                close = suggest(name, self.blobs)
                help = f'did you mean "{close}"?' if close else None
                raise refuse(UNKNOWN_BLOB, f'the net has no blob "{name}"', help=help)
        return list(dict.fromkeys(names))

    def _fill(self, given: Mapping[str, Any], names: list[str], kind: str, array_of: Any) -> None:
        if not given:
            return
        if set(given) != set(names):
            have = ", ".join(names) or "none"
            raise refuse(PASS_ARGUMENTS, f"the net's {kind}s are {have}; given are {', '.join(given)}")
        for name, array in given.items():
            target = array_of(name)
            if np.shape(array)[:1] != target.shape[:1]:
                sizes = f"{np.shape(array)[0] if np.ndim(array) else 'none'}, not {target.shape[0]}"
                raise refuse(PASS_ARGUMENTS, f'{kind} "{name}" has the batch size {sizes}')
            try:
                target[...] = array
            except ValueError as error:
                raise refuse(PASS_ARGUMENTS, f'{kind} "{name}": {error}') from None

    # ------------------------------------------------------------ many batches

    def forward_all(self, blobs: Sequence[str] | None = None, **kwargs: Any) -> dict[str, Array]:
        """Run all items of the inputs through the net, a batch at a time; gives the outputs of all of them.

        The last batch is filled up with zeros, and what comes of them is cut off.
        """
        found: dict[str, list[Array]] = {}
        for batch in self._batch(kwargs):
            for name, array in self.forward(blobs, None, None, **batch).items():
                found.setdefault(name, []).extend(array.copy())
        count = len(next(iter(kwargs.values())))
        return {name: np.asarray(items)[:count] for name, items in found.items()}

    def forward_backward_all(
        self, blobs: Sequence[str] | None = None, diffs: Sequence[str] | None = None, **kwargs: Any
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """As `forward_all`, with a backward pass after each batch: outputs, and gradients.

        kwargs: arrays for the inputs, and the gradients of the outputs; either may be left out.
        """
        values: dict[str, list[Array]] = {}
        gradients: dict[str, list[Array]] = {}
        inputs = self._batch({name: kwargs[name] for name in self.inputs if name in kwargs})
        outputs = self._batch({name: kwargs[name] for name in self.outputs if name in kwargs})
        none: dict[str, Array] = {}
        for batch, gradient in zip_longest(inputs, outputs, fillvalue=none):
            for name, array in self.forward(blobs, None, None, **batch).items():
                values.setdefault(name, []).extend(np.atleast_1d(array.copy()))
            for name, array in self.backward(diffs, None, None, **gradient).items():
                gradients.setdefault(name, []).extend(np.atleast_1d(array.copy()))
        count = len(next(iter(kwargs.values())))
        return (
            {name: np.asarray(items)[:count] for name, items in values.items()},
            {name: np.asarray(items)[:count] for name, items in gradients.items()},
        )

    def _batch(self, blobs: Mapping[str, Any]) -> Iterator[dict[str, Array]]:
        """The items in batches of the net's size, the last one filled up with zeros."""
        if not blobs:
            return
        size = next(iter(self.blobs.values())).shape[0]
        for start in range(0, len(next(iter(blobs.values()))), size):
            batch = {}
            for name, items in blobs.items():
                part = np.asarray(items[start : start + size])
                fill = np.zeros((size - len(part), *part.shape[1:]), part.dtype)
                batch[name] = np.concatenate([part, fill]) if len(fill) else part
            yield batch
