"""Predictions for images and arrays, through the deploy net that follows from a net that trains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from netc import run
from netc.api.definition import Definition, PathLike
from netc.api.deploy import deploy
from netc.api.outputs import Output, outputs
from netc.api.preprocess import Preprocessing, given_mean, of_layer, of_model, read, undone
from netc.api.session import Net
from netc.data.array_files import read_npz
from netc.data.bad import BadRecordError
from netc.data.codes import BAD_ARRAY, BAD_RECORD
from netc.errors import Code, Diagnostic, NetError, suggest
from netc.layer import Array, Shape, format_shape
from netc.plan.shapes import is_apart
from netc.run.codes import UNKNOWN_BLOB

SEVERAL_INPUTS = Code(
    "RUN051",
    "the net has several inputs, and an image fills only one",
    why="One image is one blob. A net with further inputs needs their values too, and they come from no image.",
    example="netc predict siamese.prototxt --weights siamese.caffemodel photo.jpg",
    fix="Give a .npz file with one array for each input, named like the blobs, one row for each sample.",
)
NO_INPUTS = Code(
    "RUN057",
    "the net has no inputs",
    why="What such a net gives follows from its weights and from what its layers draw (DummyData): a generator of "
    "images. There is nothing that a file could fill.",
    example="netc predict generator.net photo.jpg",
    fix="Leave the files out, and say how many samples: netc predict generator.net --count 16",
)

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")


@dataclass(frozen=True)
class Prediction:
    """One sample: what it was, and the net's outputs for it (without the batch axis), or why there are none.

    kinds: what each output is. names: what the classes are called, as training stored it. picture: what the net has
    seen, if that is an image (height x width x 3, red first).
    """

    source: str
    outputs: dict[str, Array] = field(default_factory=dict)
    problem: Diagnostic | None = None
    kinds: Mapping[str, Output] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    picture: Array | None = None

    def __repr__(self) -> str:
        if self.problem is not None:
            return f"<{self.source}: {self.problem.message}>"
        best = ", ".join(f"{name} {score:.3f}" for name, score in self.best(3))
        return f"<{self.source}: {best or ', '.join(self.outputs)}>"

    def best(self, count: int = 5) -> list[tuple[str, float]]:
        """The best classes of the first output that tells classes: their names (or numbers) and scores, best first."""
        for name in self.outputs:
            found = self.top(name, count, len(self.names) or None)
            if found is not None:
                return [(self.names[i] if i < len(self.names) else str(i), score) for i, score in found]
        return []

    def top(self, name: str, count: int, classes: int | None = None) -> list[tuple[int, float]] | None:
        """The `count` best classes of an output with their scores, best first; None if it is no list of them.

        classes: a vector of as many values counts as scores, too, though no layer says that it is one.
        """
        scores, kind = self.outputs[name].reshape(-1), self.kinds[name].kind
        if kind != "classes" and (kind != "values" or scores.size != classes):
            return None
        best = np.argsort(-scores, kind="stable")[:count]
        return [(int(i), float(scores[i])) for i in best]


@dataclass(frozen=True)
class _Sample:
    source: str
    values: dict[str, Array] = field(default_factory=dict)
    problem: Diagnostic | None = None


class Predictor:
    """Predicts what a net has learned.

    definition: a net that trains, or a deploy net. weights: `.caffemodel` files. inputs: shapes of data blobs. How
    images become inputs is what training stored in the model, or else the data layer's `transform_param`; `mean`
    (values, or a file), `scale` and `size` (height, width to resize to) replace parts of it.
    blobs: names of blobs to give instead of the net's outputs (features). seed: of what layers draw.
    Raises NetError: RUN010 for a blob that is not there, RUN050, RUN052, and what planning the net and loading the
    weights raise.
    """

    def __init__(
        self,
        definition: Definition,
        weights: Sequence[PathLike],
        *,
        batch: int = 1,
        inputs: Mapping[str, Shape] | None = None,
        mean: str | None = None,
        scale: float | None = None,
        size: tuple[int, int] | None = None,
        all_heads: bool = False,
        blobs: Sequence[str] = (),
        seed: int = 0,
        **run_options: Unpack[run.RunOptions],
    ) -> None:
        self.seed = seed
        self.blobs = tuple(dict.fromkeys(blobs))
        deployed = deploy(definition, batch=batch, inputs=inputs, all_heads=all_heads)
        self.samples = deployed.samples
        self._open(deployed.definition, weights, run_options)
        apart = any(o.whose == "mixed" for o in self.kinds.values()) or any(self.samples.values())
        if self.batch > 1 and apart:  # only a batch of one tells what is whose
            deployed = deploy(definition, batch=1, inputs=inputs, all_heads=all_heads)
            self._open(deployed.definition, weights, run_options)
        images = [n for n, shape in self.shapes.items() if len(shape) == 4 and shape[1] in (1, 3)]
        self.image_blob = images[0] if images else next(iter(self.shapes), "")
        self.known = True
        how = self._how([Path(w) for w in weights], deployed.data)
        if mean is not None:
            how = replace(how, mean=given_mean(mean, how.channels))
        how = replace(how, scale=how.scale if scale is None else scale, size=size or how.size)
        self.preprocessing = how

    def _open(self, definition: Definition, weights: Sequence[PathLike], run_options: run.RunOptions) -> None:
        keep = bool(self.blobs)
        options: run.RunOptions = {**run_options, "writes": "nowhere"}
        self.net = Net(definition, "TEST", weights=weights, keep=keep, seed=self.seed, **options)
        there = {value.name for value in self.net.graph.values}
        if missing := next((name for name in self.blobs if name not in there), None):
            close = suggest(missing, there)
            help = f'did you mean "{close}"?' if close else f"its blobs are {', '.join(sorted(there))}"
            raise NetError(Diagnostic(UNKNOWN_BLOB, f'the net that predicts has no blob "{missing}"', help=help))
        self.loaded = self.net.loaded
        self.shapes = {name: array.shape for name, array in self.net.inputs.items()}
        self.batch = self._rows_of_a_pass()
        self.kinds = outputs(self.net.plan, self.batch, self.blobs)
        graph = self.net.graph
        values = [v for n in graph.nodes if n.type.source for v in n.tops]
        self.regions = {
            graph.values[v].name for v in values if is_apart(graph, v) and len(self.net.plan.shapes[v]) == 2
        }

    def _rows_of_a_pass(self) -> int:
        """How many samples a pass is for: rows of the first input, or else of the first blob that is drawn."""
        for name, shape in self.shapes.items():
            return int(shape[self._axis(name)])
        nodes, shapes = self.net.graph.nodes, self.net.plan.shapes
        drawn = [shapes[v] for n in nodes if n.type.role.fed == "fillers" for v in n.tops]
        return next((shape[0] for shape in drawn if shape), 1)

    def _how(self, weights: Sequence[Path], data: Any) -> Preprocessing:
        stored = {blob: how for path in weights for blob, how in of_model(path).items()}
        if self.image_blob in stored:
            return stored[self.image_blob]
        if len(stored) == 1:
            return next(iter(stored.values()))
        how = of_layer(*data[self.image_blob]) if self.image_blob in data else None
        self.known = how is not None
        shape = self.shapes.get(self.image_blob, ())
        return how or Preprocessing(shape[1] if len(shape) == 4 else 3)

    def __call__(self, paths: Iterable[str | Path]) -> Iterator[Prediction]:
        """Predictions for image files, folders of them and .npz files, in order; they come batch by batch.

        Raises NetError: RUN051, and RUN057 for a net without inputs, which `made` is for.
        """
        waiting: list[_Sample] = []
        for path in paths:
            if not self.shapes:
                raise NetError(Diagnostic(NO_INPUTS, f"the net has no inputs, and {path} can fill none"))
            for sample in self._samples(Path(path)):
                waiting.append(sample)
                if sum(s.problem is None for s in waiting) == self.batch:
                    yield from self._run(waiting)
                    waiting = []
        if waiting:
            yield from self._run(waiting)

    def made(self, count: int) -> Iterator[Prediction]:
        """What a net without inputs makes: `count` samples, which differ by what its layers draw for each."""
        for first in range(0, count, self.batch):
            yield from self._run([_Sample(f"sample_{n + 1}") for n in range(first, min(count, first + self.batch))])

    def _run(self, samples: list[_Sample]) -> Iterator[Prediction]:
        good = [s for s in samples if s.problem is None]
        for name, target in self.net.inputs.items():
            target[...] = 0
            for row, sample in enumerate(good if name not in self.regions else ()):
                np.moveaxis(target, self._axis(name), 0)[row] = sample.values[name]
        for name in self.regions if good else ():
            self.net.reshape(**{name: good[0].values[name].shape})
            self.net.set_input(name, good[0].values[name])
        found = self.net.forward() if good else {}
        if self.blobs and good:
            found = {name: self.net.blobs[name].copy() for name in self.blobs}
        row = 0
        for sample in samples:
            if sample.problem is not None:
                yield Prediction(sample.source, problem=sample.problem)
                continue
            mine = {name: self.kinds[name].of(array, row, self.batch) for name, array in found.items()}
            seen = self._picture(sample.values)
            yield Prediction(sample.source, mine, None, self.kinds, self.preprocessing.class_names, seen)
            row += 1

    def _picture(self, values: Mapping[str, Array]) -> Array | None:
        image = values.get(self.image_blob)
        if image is None or image.ndim != 3 or len(image) not in (1, 3):
            return None
        return undone(self.preprocessing, image)

    # ------------------------------------------------------------ samples

    def _samples(self, path: Path) -> Iterator[_Sample]:
        if path.is_dir():
            for file in sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGES):
                yield self._image(file)
        elif path.suffix.lower() == ".npz":
            try:
                yield from self._arrays(path)
            except BadRecordError as error:
                yield _Sample(str(path), problem=Diagnostic(BAD_ARRAY, f"{path}: {error}"))
        else:
            yield self._image(path)

    def _image(self, path: Path) -> _Sample:
        if len(self.shapes) != 1:
            message = f"{path}: the net's inputs are {', '.join(self.shapes) or 'none'}"
            raise NetError(Diagnostic(SEVERAL_INPUTS, message, help="give a .npz file with an array for each"))
        try:
            return _Sample(str(path), {self.image_blob: read(path, self.preprocessing, self._shape(self.image_blob))})
        except BadRecordError as error:
            return _Sample(str(path), problem=Diagnostic(BAD_RECORD, f"{path}: {error}"))

    def _arrays(self, path: Path) -> Iterator[_Sample]:
        """The rows of a .npz file. Integers are images (channels x height x width) and are prepared, floats are not."""
        arrays = _npz(path)
        if len(arrays) == 1 and len(self.shapes) == 1:
            arrays = {self.image_blob: next(iter(arrays.values()))}
        if missing := [name for name in self.shapes if name not in arrays]:
            have = ", ".join(arrays) or "none"
            raise BadRecordError(f"it has no array for the input {', '.join(missing)}; it has {have}")
        rows = {name: self._rows(name, arrays[name]) for name in self.shapes if name not in self.regions}
        counts = {len(values) for values in rows.values()}
        if len(counts) > 1:
            raise BadRecordError(f"its arrays have {' and '.join(map(str, sorted(counts)))} rows")
        rows |= {name: self._regions(name, arrays[name], max(counts, default=1)) for name in self.regions}
        counts = counts or {1}
        for row in range(counts.pop()):
            yield _Sample(f"{path}[{row}]", {name: values[row] for name, values in rows.items()})

    def _rows(self, name: str, array: Array) -> list[Array]:
        shape = self._shape(name)
        rows = np.moveaxis(array, self._axis(name), 0) if array.ndim == len(shape) + 1 else array[None]
        if array.dtype.kind in "iu" and name == self.image_blob and len(shape) == 3 and rows.ndim == 4:
            pixels = np.ascontiguousarray(rows.clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1))
            return [self.preprocessing(image, shape) for image in pixels]
        if array.dtype.kind not in "fiub" or rows.shape[1:] != shape:
            raise BadRecordError(f'"{name}" is {format_shape(array.shape)} of {array.dtype}; a row is {shape}')
        return list(rows.astype(np.float32))

    def _regions(self, name: str, array: Array, count: int) -> list[Array]:
        """The regions of each image, which their first column numbers; numbered 0, as images run one by one."""
        if array.dtype.kind not in "fiu" or array.ndim != 2 or array.shape[1:] != self._shape(name):
            raise BadRecordError(
                f'"{name}" is {format_shape(array.shape)} of {array.dtype}; a row is {self._shape(name)}'
            )
        found = [array[array[:, 0] == image].astype(np.float32) for image in range(count)]
        if empty := [str(i) for i, rows in enumerate(found) if not len(rows)]:
            raise BadRecordError(f'"{name}" has no region of image {", ".join(empty[:8])}')
        for rows in found:
            rows[:, 0] = 0
        return found

    def _shape(self, name: str) -> tuple[int, ...]:
        axis = self._axis(name)
        return tuple(self.shapes[name][:axis] + self.shapes[name][axis + 1 :])

    def _axis(self, name: str) -> int:
        """The axis of an input that counts samples."""
        return self.samples.get(name, 0)


def _npz(path: Path) -> dict[str, Array]:
    try:
        return read_npz(path)
    except NetError as error:
        raise BadRecordError("; ".join(d.message for d in error.diagnostics)) from None
