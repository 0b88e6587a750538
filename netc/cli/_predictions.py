"""Predictions as people, programs and files get them: classes, rows of boxes, maps and plain numbers."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netc.api.drawn import drawn
from netc.api.outputs import Output, class_map
from netc.api.predict import Prediction
from netc.cli._files import CANNOT_WRITE, write_bytes
from netc.data.extras import h5py
from netc.data.images import encode_image
from netc.errors import Diagnostic, NetError
from netc.layer import Array, format_shape

MOST_VALUES = 1000
"""Values of other outputs with more are not in JSON; --output writes them."""
MOST_ROWS = 20
"""That are printed for people."""
WHOLE = ("image", "class")
"""Columns that hold whole numbers."""

Names = Sequence[str] | None
Files = Mapping[str, Sequence[Path]]


def as_data(prediction: Prediction, top: int, names: Names, files: Files) -> dict[str, Any]:
    """The outputs as JSON has them: lists of objects for classes and rows, else the shape and the values, if few."""
    found: dict[str, Any] = {}
    for name, array in prediction.outputs.items():
        output, best = prediction.kinds[name], prediction.top(name, top, len(names) if names else None)
        if output.kind == "rows":
            found[name] = [_row(output.columns, row, names) for row in array]
        elif best is not None:
            found[name] = [{"class": i, **_label(i, names), "score": s} for i, s in best]
        else:
            values = {"values": array.reshape(-1).tolist()} if array.size <= MOST_VALUES else {}
            written = {"files": [str(path) for path in files[name]]} if name in files else {}
            found[name] = {"shape": list(array.shape), **values, **written}
    return found


def _row(columns: Sequence[str], row: Array, names: Names) -> dict[str, Any]:
    """A row by its columns; which image it is of, the line says."""
    found = {c: int(v) if c in WHOLE else float(v) for c, v in zip(columns, row, strict=True) if c != "image"}
    return {**found, **(_label(found["class"], names) if "class" in found else {})}


def _label(index: float, names: Names) -> dict[str, str]:
    return {"label": names[int(index)]} if names and 0 <= index < len(names) else {}


# ---------------------------------------------------------------- text


def lines(prediction: Prediction, top: int, names: Names, files: Files) -> Iterator[str]:
    """The prediction as lines of text."""
    yield prediction.source
    for name, array in prediction.outputs.items():
        if len(prediction.outputs) > 1:
            yield f" {name}"
        best = prediction.top(name, top, len(names) if names else None)
        if prediction.kinds[name].kind == "rows":
            yield from _rows(prediction.kinds[name].columns, array, names)
        elif best is not None:
            for index, score in best:
                yield f"  {score:.4f}  {index}{f'  {names[index]}' if names and index < len(names) else ''}"
        elif prediction.kinds[name].kind == "map":
            yield from _map(prediction, name, top, names, files)
        else:
            shown = np.array2string(array.reshape(-1), precision=4, threshold=8)
            yield from f"  {format_shape(array.shape)}: {shown}".split("\n")


def _rows(columns: Sequence[str], rows: Array, names: Names) -> Iterator[str]:
    shown = [i for i, column in enumerate(columns) if column != "image"]
    if not len(rows):
        yield "  nothing found"
        return
    yield "  " + "".join(f"{columns[i]:>11}" for i in shown)
    best = rows
    if "confidence" in columns:
        best = rows[np.argsort(-rows[:, columns.index("confidence")], kind="stable")]
    for row in best[:MOST_ROWS]:
        label = _label(row[columns.index("class")], names).get("label", "") if "class" in columns else ""
        cells = (str(int(row[i])) if columns[i] in WHOLE else f"{row[i]:.4f}" for i in shown)
        yield "  " + "".join(f"{cell:>11}" for cell in cells) + (f"  {label}" if label else "")
    if len(rows) > MOST_ROWS:
        yield f"  and {len(rows) - MOST_ROWS} more"


def _map(prediction: Prediction, name: str, top: int, names: Names, files: Files) -> Iterator[str]:
    array = prediction.outputs[name]
    yield f"  map {format_shape(array.shape)}, values {array.min():.4g} to {array.max():.4g}"
    classes = class_map(prediction.kinds[name], array)
    if classes is not None:
        numbers, counts = np.unique(classes, return_counts=True)
        for i in np.argsort(-counts, kind="stable")[:top]:
            label = _label(numbers[i], names).get("label", "")
            yield f"  {counts[i] / classes.size:7.2%} of it is class {numbers[i]}{f'  {label}' if label else ''}"
    for path in files.get(name, ()):
        yield f"  wrote {path}"


# ---------------------------------------------------------------- files


def picture_of(output: Output, array: Array) -> Array | None:
    """A map as pixels (height x width x 1 or 3, uint8), or None where no picture shows it.

    Maps that tell classes: the class at each position, if none is above 255. Others of one channel, or of three (blue
    first): from black, the least of all values, to white, the largest; without values that are not finite.
    """
    classes = class_map(output, array)
    if classes is not None:
        return classes.astype(np.uint8)[:, :, None] if classes.max() < 256 else None
    if array.ndim != 3 or len(array) not in (1, 3) or not np.isfinite(array).all():
        return None
    least, largest = float(array.min()), float(array.max())
    shown = (array.astype(np.float64) - least) * (255 / (largest - least or 1))
    return np.asarray(shown.round().astype(np.uint8).transpose(1, 2, 0))


class Drawings:
    """Writes what a net says of each image as pictures to a folder: `<image>.<blob>.png`."""

    def __init__(self, folder: Path) -> None:
        self._names = Stems(folder)

    def write(self, prediction: Prediction, names: Names) -> list[Path]:
        """Write a prediction's pictures; returns their files. Raises NetError: CLI002, DAT004 without Pillow."""
        stem, found = self._names.of(Path(prediction.source)), []
        for name, pixels in drawn(prediction, names or ()):
            found.append(self._names.folder / f"{stem}.{name.replace('/', '_')}.png")
            write_bytes(found[-1], encode_image(pixels[:, :, ::-1], "png"))
        return found


class Stems:
    """Names of files in a folder, which is made, after images: each another one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._taken: set[str] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NetError(Diagnostic(CANNOT_WRITE, f"cannot make {folder}: {error.strerror}")) from error

    def of(self, source: Path) -> str:
        """The image's name without its ending; with a number where another image has it."""
        name = source.stem if source.suffix and "[" not in source.suffix else source.name
        stem, count = name, 2
        while stem in self._taken:
            stem, count = f"{name}_{count}", count + 1
        self._taken.add(stem)
        return stem


class MapFiles:
    """Writes the maps of predictions to a folder: `<image>.<blob>.npy`, and `.png` where a picture shows them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = Stems(folder)

    def write(self, prediction: Prediction) -> dict[str, list[Path]]:
        """Write a prediction's maps; returns the files of each output. Raises NetError(CLI002)."""
        stem, found = self._names.of(Path(prediction.source)), dict[str, list[Path]]()
        for name, array in prediction.outputs.items():
            if prediction.kinds[name].kind != "map":
                continue
            path = self._folder / f"{stem}.{name.replace('/', '_')}"
            found[name] = [path.with_name(f"{path.name}.npy")]
            data = io.BytesIO()
            np.save(data, array)
            write_bytes(found[name][0], data.getvalue())
            pixels = picture_of(prediction.kinds[name], array)
            if pixels is not None:
                picture = path.with_name(f"{path.name}.png")
                write_bytes(picture, encode_image(pixels, "png"))
                found[name].append(picture)
        return found


def together(kept: Sequence[Prediction]) -> dict[str, Any]:
    """One array for each output, a row for each prediction.

    Where predictions have different numbers of rows, the rows of all, one after the other: boxes with the prediction's
    number in their first column, others with that number in an array `<output>/path`.
    """
    found: dict[str, Any] = {}
    for name in kept[0].outputs if kept else ():
        arrays = [p.outputs[name] for p in kept]
        counts = [len(a) if a.ndim else 1 for a in arrays]
        numbers = np.repeat(np.arange(len(kept)), counts)
        if kept[0].kinds[name].kind == "rows":
            found[name] = np.concatenate(arrays)
            found[name][:, 0] = numbers
        elif len({a.shape for a in arrays}) == 1:
            found[name] = np.stack(arrays)
        else:
            found[name], found[f"{name}/path"] = np.concatenate(arrays), numbers
    return found


def as_hdf5(paths: Sequence[str], arrays: Mapping[str, Array]) -> bytes:
    """The bytes of an HDF5 file with a dataset for each array, and `paths`. Raises NetError(DAT003) without h5py."""
    out = io.BytesIO()
    with h5py().File(out, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array)
        if "paths" not in arrays:
            file.create_dataset("paths", data=[os.fsencode(path) for path in paths])
    return out.getvalue()
