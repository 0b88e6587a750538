"""pycaffe's Net: a net with all its blobs open to a script, from a prototxt and weights."""

from __future__ import annotations

import os
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from netc import run, solve
from netc.api.definition import Definition, PathLike
from netc.api.planner import Planner
from netc.api.planning import load
from netc.api.session import open_feeds
from netc.caffe import modes
from netc.caffe.blobs import Blob, NetBlob, ParamBlob
from netc.caffe.engine import Engine
from netc.caffe.errors import NOT_MEMORY_DATA, PHASE, as_pycaffe_raises, refuse
from netc.caffe.facade import Facade
from netc.caffe.fixed import FixedDict, FixedList
from netc.caffe.memory_data import Feed, check
from netc.caffe.passes import Passes
from netc.data.codes import UNREAD_TRANSFORM
from netc.errors import Diagnostic, NetError, warn
from netc.graph import State
from netc.layer import Array
from netc.run.codes import NOTHING_LOADED
from netc.schema.weights import LayerWeights
from netc.schema.weights_write import write_weights
from netc.solve import hdf5
from netc.solve.snapshot_files import write_message, write_whole


class LayerView:
    """A layer of a net, as `net.layers[i]` shows it: `type`, `name` and `blobs`."""

    def __init__(self, name: str, type: str, blobs: list[Blob]) -> None:
        self.name, self.type, self.blobs = name, type, blobs


class Net(Passes):
    """A net in one phase.

        Net("deploy.prototxt", caffe.TEST)
        Net("deploy.prototxt", caffe.TEST, weights="model.caffemodel", level=0, stages=["deploy"])
        Net("deploy.prototxt", "model.caffemodel", caffe.TEST)

    Raises CaffeError, a RuntimeError, with everything that is wrong with the files.
    """

    def __init__(
        self,
        network_file: PathLike,
        *args: Any,
        phase: int | str | None = None,
        level: int = 0,
        stages: Iterable[str] | None = None,
        weights: PathLike | None = None,
    ) -> None:
        if args and isinstance(args[0], str | Path) and args[0] not in ("TRAIN", "TEST"):
            weights, args = args[0], args[1:] or ("TEST",)  # the old order: file, weights, phase
        given = dict(zip(("phase", "level", "stages", "weights"), args, strict=False))
        phase, level = given.get("phase", phase), given.get("level", level)
        stages, weights = given.get("stages", stages), given.get("weights", weights)
        if os.environ.get("NETC_ALLOW_PYTHON") == "1":
            modes.allow_python()
        with as_pycaffe_raises():
            state = State(_phase(phase), level, tuple(stages or ()))
            seed = modes.take_seed()
            definition = load(network_file)
            planner, fast = planner_of(definition, state), Planner(definition, state, training=(False,))
            options: dict[str, Any] = {"seed": seed, "feeds": lambda plan: open_feeds(plan, seed)}
            quick = modes.executor() == "fast"
            self._show(Facade(planner, fast, **options) if quick else Engine(planner, **options))
            if weights is not None:
                self.copy_from(weights)

    @classmethod
    def around(cls, engine: Engine) -> Net:
        """The view of a net that is there already (a solver's)."""
        net = cls.__new__(cls)
        net._show(engine)
        return net

    def _show(self, engine: Engine) -> None:
        self._engine = engine
        graph = engine.graph
        self.name = graph.name  # py-faster-rcnn's scripts give their nets names of their own
        self._layer_names = [node.name for node in graph.nodes]
        of_nets = ((name, NetBlob(engine, name)) for name in engine.names)
        self._blobs_by_name = FixedDict[Blob](of_nets, 'net.blobs["NAME"].data[...] = array')
        self._param_blobs: list[list[Blob]] = [
            FixedList(
                (ParamBlob(engine, index, position) for position in range(len(layer.params))),
                f'net.params["{self._layer_names[index]}"][INDEX].data[...] = array',
            )
            for index, layer in enumerate(engine.parameters.plan.layers)
        ]
        named = zip(self._layer_names, self._param_blobs, strict=True)
        self._params = FixedDict[list[Blob]](
            ((name, blobs) for name, blobs in named if blobs), 'net.params["NAME"][0].data[...] = array'
        )

    # ------------------------------------------------------------ what is in it

    @property
    def blobs(self) -> OrderedDict[str, Blob]:
        """The blobs by name; values are written into them, `net.blobs["data"].data[...] = images` (RUN067)."""
        return self._blobs_by_name

    @property
    def params(self) -> OrderedDict[str, list[Blob]]:
        """The parameters of each layer that has some, by its name (RUN067 as `blobs`)."""
        return self._params

    @property
    def inputs(self) -> list[str]:
        """The blobs that a script fills: the tops of Input layers."""
        return [self._engine.graph.values[v].name for v in self._engine.graph.inputs]

    @property
    def outputs(self) -> list[str]:
        """The blobs that no layer reads, in the order of the alphabet, as in Caffe."""
        return sorted({self._engine.graph.values[v].name for v in self._engine.graph.outputs})

    @property
    def layers(self) -> list[Any]:
        """Every layer in order; a Python layer is its own object."""
        return [
            self._engine.python_layer(node.index)
            if node.type.role.foreign
            else LayerView(node.name, node.record.type, self._param_blobs[node.index])
            for node in self._engine.graph.nodes
        ]

    @property
    def layer_dict(self) -> OrderedDict[str, Any]:
        """The layers by name."""
        return OrderedDict(zip(self._layer_names, self.layers, strict=True))

    @property
    def top_names(self) -> OrderedDict[str, list[str]]:
        """The tops of each layer."""
        return self._names(lambda node: node.tops)

    @property
    def bottom_names(self) -> OrderedDict[str, list[str]]:
        """The bottoms of each layer."""
        return self._names(lambda node: node.bottoms)

    def _names(self, which: Callable[[Any], tuple[int, ...]]) -> OrderedDict[str, list[str]]:
        graph = self._engine.graph
        return OrderedDict((node.name, [graph.values[v].name for v in which(node)]) for node in graph.nodes)

    @property
    def blob_loss_weights(self) -> OrderedDict[str, float]:
        """What each blob counts in the objective."""
        graph = self._engine.graph
        last = {value.name: value for value in graph.values}
        return OrderedDict((name, graph.nodes[v.producer].loss_weights[v.top]) for name, v in last.items())

    @property
    def _blobs(self) -> list[Blob]:
        return list(self.blobs.values())

    @property
    def _blob_names(self) -> list[str]:
        return list(self.blobs)

    @property
    def _blob_loss_weights(self) -> list[float]:
        return list(self.blob_loss_weights.values())

    @property
    def _inputs(self) -> list[int]:
        return [self._blob_names.index(name) for name in self.inputs]

    @property
    def _outputs(self) -> list[int]:
        return [self._blob_names.index(name) for name in self.outputs]

    def _top_ids(self, layer: int) -> list[int]:
        return self._blob_indices(self._engine.graph.nodes[layer].tops)

    def _bottom_ids(self, layer: int) -> list[int]:
        return self._blob_indices(self._engine.graph.nodes[layer].bottoms)

    def _blob_indices(self, values: Iterable[int]) -> list[int]:
        return [self._blob_names.index(self._engine.graph.values[v].name) for v in values]

    # ------------------------------------------------------------ weights

    def copy_from(self, weights: PathLike) -> None:
        """Take the parameters of every layer that the file has too, by name; `.caffemodel` or HDF5.

        Raises CaffeError(SNP...) if the file is no weight file, or a layer of it has other shapes.
        """
        with as_pycaffe_raises():
            try:
                self._engine.catch_up()
                found = run.load_weights(self._engine, solve.read_weights(weights), source=str(weights))
                warn(found.warnings, stacklevel=2)
            except NetError as error:
                if any(d.code is not NOTHING_LOADED for d in error.diagnostics):
                    raise
                warnings.warn(error.diagnostics[0].message, RuntimeWarning, stacklevel=3)

    load_hdf5 = copy_from

    def save(self, filename: PathLike) -> None:
        """Write the parameters, with the net, as a `.caffemodel`."""
        graph = self._engine.graph
        layers = self._weights()
        definition = graph.record.replace(layer=tuple(node.record for node in graph.nodes))
        with as_pycaffe_raises():
            write_message(Path(filename), lambda file: write_weights(file, graph.name, layers, definition))

    def _weights(self, diffs: bool = False) -> tuple[LayerWeights, ...]:
        """All layers' parameters, in the shapes that the script sees."""
        pairs = zip(self._engine.graph.nodes, self._param_blobs, strict=True)
        return tuple(
            LayerWeights(
                node.name, node.type.name, tuple(b.stored for b in own), tuple(b.diff for b in own) if diffs else ()
            )
            for node, own in pairs
        )

    def save_hdf5(self, filename: PathLike, write_diff: bool = False) -> None:
        """Write the parameters, and their gradients if asked for, as HDF5."""
        layers = self._weights(write_diff)
        with as_pycaffe_raises():
            write_whole(Path(filename), lambda file: hdf5.write_weights(file, layers))

    def share_with(self, other: Net) -> None:
        """Use the other net's parameters, for layers of the same name: what one learns, both have."""
        with as_pycaffe_raises():
            self._engine.share_with(other._engine)

    def replica(self) -> Net:
        """A second net for a second thread: it shares the parameters, and costs its blobs. (pycaffe has none.)

        Data layers with a source are inputs of the replica. See `netc.Net.replica`.
        """
        return Net.around(self._engine.replica())

    def touch(self) -> None:
        """Say that parameters were written by an address kept as a number; see `netc.Net.touch`. pycaffe has none."""
        self._engine.touch()

    def clear_param_diffs(self) -> None:
        """Set the gradients of all parameters to zero; backward adds to them."""
        self._engine.zero_param_diffs()

    # ------------------------------------------------------------ inputs

    def reshape(self) -> None:
        """Give the net the shapes that were asked for by `blobs[...].reshape`; a pass does so by itself."""
        with as_pycaffe_raises():
            self._engine.settle()

    def set_input_arrays(self, data: Array, labels: Array) -> None:
        """Give a MemoryData layer, the first of the net, its images and labels; passes take them batch by batch."""
        labels = np.ascontiguousarray(labels[:, None, None, None]) if labels.ndim == 1 else labels
        self._set_input_arrays(data, labels)

    def _set_input_arrays(self, data: Array, labels: Array) -> None:
        first = self._engine.graph.nodes[0]
        if first.type.role.fed != "push":
            raise refuse(NOT_MEMORY_DATA, f'the first layer is "{first.name}" ({first.type.name})')
        if first.record.has("transform_param"):
            said = "does not transform the arrays that are handed to it, as in Caffe"
            help = "transform them before (caffe.io.Transformer)"
            span = first.record.span_of("transform_param")
            warn([Diagnostic.of_layer(first.record, UNREAD_TRANSFORM, said, span, (), help, "warning")], stacklevel=2)
        shapes = [self._engine.plan.shapes[v] for v in first.tops]
        check(data, labels, shapes[0])
        self._engine.feed(0, Feed(data, labels))

    # ------------------------------------------------------------ hooks

    def before_forward(self, hook: Callable[[int], object]) -> None:
        """Call `hook(layer index)` before each layer's forward."""
        self._engine.hooks.setdefault("before_forward", []).append(hook)

    def after_forward(self, hook: Callable[[int], object]) -> None:
        """Call `hook(layer index)` after each layer's forward."""
        self._engine.hooks.setdefault("after_forward", []).append(hook)

    def before_backward(self, hook: Callable[[int], object]) -> None:
        """Call `hook(layer index)` before each layer's backward."""
        self._engine.hooks.setdefault("before_backward", []).append(hook)

    def after_backward(self, hook: Callable[[int], object]) -> None:
        """Call `hook(layer index)` after each layer's backward."""
        self._engine.hooks.setdefault("after_backward", []).append(hook)


def _phase(phase: Any) -> Any:
    found = {0: "TRAIN", 1: "TEST", "TRAIN": "TRAIN", "TEST": "TEST"}.get(phase)
    if found is None:
        raise refuse(PHASE, f"{phase!r} is no phase", help="use caffe.TRAIN or caffe.TEST")
    return found


def planner_of(definition: Definition, state: State) -> Planner:
    """How to plan the net: every blob kept, and backward too whatever the phase, as Caffe has it.

    A net for testing that can have no backward (a layer in the way gives no gradient) is planned without.
    """
    return Planner(definition, state, training=(True,) if state.phase == "TRAIN" else (True, False), keep=True)
