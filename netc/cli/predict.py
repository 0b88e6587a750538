"""`netc predict`: what a trained net says of images."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from netc.api import planning
from netc.api.deploy import deploy
from netc.api.predict import Prediction, Predictor
from netc.cli import _output
from netc.cli._files import read_lines, say_written, write_bytes
from netc.cli._generation import Asked, generate
from netc.cli._options import OUTPUT, executor_options, file_argument, planning_options
from netc.cli._predictions import Drawings, MapFiles, as_data, as_hdf5, lines, together
from netc.cli._weights import chosen_weights, show_loaded, weights_option
from netc.errors import Code, Diagnostic, NetError
from netc.language import Setting
from netc.layer import Shape

BAD_LABELS = Code(
    "CLI010",
    "the labels file does not fit the net",
    why="Line N of the file names class N. With fewer lines than the net has classes, names would be missing, and "
    "most likely it is the file of another net.",
    example="netc predict lenet.net --weights lenet.caffemodel --labels imagenet_1000.txt digit.png",
    fix="Give a text file with one line for each class, in the order of the training labels.",
)


class SizeOption(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """`256x256`: height and width."""

    name = "HEIGHTxWIDTH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        height, _, width = str(value).partition("x")
        if not (height.isdigit() and width.isdigit() and int(height) and int(width)):
            self.fail(f"{value!r} is not of the form 256x256", param, ctx)
        return int(height), int(width)


@click.command("predict")
@file_argument
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@weights_option
@click.option(
    "--labels", type=click.Path(path_type=Path), help="A text file that names class N in line N (default: the model's)."
)
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="How many classes to show.")
@click.option("--batch", type=click.IntRange(min=1), help="Images at a time (default: up to 16; 1 for paths on stdin).")
@click.option("--mean", metavar="B,G,R|FILE", help="Mean instead of the model's: values, .binaryproto or .npy.")
@click.option("--scale", type=float, help="Scale instead of the model's.")
@click.option("--resize", type=SizeOption(), help="Resize images to this before the crop.")
@click.option("--all-heads", is_flag=True, help="Show heads that only help training, too.")
@planning_options
@executor_options
@click.option("--blobs", metavar="NAME,...", default="", help="Give these blobs (features), not the net's outputs.")
@click.option("-o", "--output", type=OUTPUT, help="All outputs, as .npz (or HDF5: .h5); - for stdout.")
@click.option("--maps", type=click.Path(path_type=Path, file_okay=False), help="Write maps of images to this folder.")
@click.option(
    "--draw",
    type=click.Path(path_type=Path, file_okay=False),
    help="Draw boxes, classes of pixels and generated images into this folder; texts go there, too.",
)
@click.option("--text", "texts", multiple=True, help="A text to start from, for a net that generates; may be repeated.")
@click.option("--references", type=click.Path(path_type=Path), help="A text file: what each text should become.")
@click.option("--count", type=click.IntRange(min=1), default=1, show_default=True, help="Texts of each, or samples.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of what is drawn.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each image or text.")
def command(
    file: Path,
    paths: tuple[str, ...],
    weights: str | None,
    labels: Path | None,
    top: int,
    batch: int | None,
    mean: str | None,
    scale: float | None,
    resize: tuple[int, int] | None,
    all_heads: bool,
    inputs: tuple[tuple[str, Shape], ...],
    settings: tuple[Setting, ...],
    layers: tuple[Path, ...],
    blobs: str,
    output: Path | None,
    maps: Path | None,
    draw: Path | None,
    texts: tuple[str, ...],
    references: Path | None,
    count: int,
    seed: int,
    as_json: bool,
    **run_options: Any,
) -> int:
    """Predict with FILE, a deploy net or the net that was trained, on images, folders of images and .npz files.

    PATH may be - for paths on stdin, one a line. Images are prepared as in training. One that cannot be read is
    reported, and the exit code is 1 then. Shown are the best classes of probabilities (of any vector that --labels
    names the values of), the rows of boxes that the net found in the image, maps in brief (--maps writes them: .npy,
    and .png of the class at each position), and the numbers of anything else.

    A net without inputs, such as a generator of images, takes no PATH and gives --count samples.

    A net with a generate block goes on with each line of the text files PATH, or turns it into another text. Where
    lines have their reference behind a tab, or with --references, also BLEU, and whether the search or the net is to
    blame for what is wrong.
    """
    names = read_lines(labels, BAD_LABELS) if labels else None
    definition = planning.load(file, layers=layers, settings=settings)
    if not (paths or texts) and (definition.record.has("generate") or deploy(definition, inputs=dict(inputs)).inputs):
        raise click.UsageError("nothing to predict: give a PATH, or a --text")
    if texts or references or definition.record.has("generate"):
        asked = Asked(paths, texts, references, count, seed, as_json, draw)
        return generate(definition, chosen_weights(weights, definition), asked, run_options)
    predictor = Predictor(
        definition,
        chosen_weights(weights, definition),
        batch=batch or _batch(paths),
        inputs=dict(inputs),
        mean=mean,
        scale=scale,
        size=resize,
        all_heads=all_heads,
        blobs=[name for name in blobs.split(",") if name],
        seed=seed,
        **run_options,
    )
    show_loaded(predictor.loaded)
    if predictor.shapes and not (predictor.known or mean or scale):
        _output.say("nothing says how images were prepared in training: values are 0..255; see --mean, --scale")
    stored = list(predictor.preprocessing.class_names)
    maps_of, drawings = MapFiles(maps) if maps else None, Drawings(draw) if draw else None
    failed = False
    kept: list[Prediction] = []
    for prediction in predictor(_stdin(paths)) if paths else predictor.made(count):
        if prediction.problem is not None:
            failed = True
            _output.show([prediction.problem])
            continue
        _check(prediction, names, labels)
        files = maps_of.write(prediction) if maps_of else {}
        called = names or stored
        pictures = drawings.write(prediction, called) if drawings else []
        if as_json:
            _output.print_json({"path": prediction.source, "outputs": as_data(prediction, top, called, files)})
        else:
            for text in lines(prediction, top, called, files):
                _output.line(text)
            for path in pictures:
                _output.line(f"  drew {path}")
        if output is not None:
            kept.append(prediction)
    if output is not None:
        _write(output, kept)
    return 1 if failed else 0


def _batch(paths: tuple[str, ...]) -> int:
    """Answers come at once for a single image and for paths that come one by one."""
    if not paths or "-" in paths:
        return 1
    many = any(Path(p).is_dir() or p.endswith(".npz") for p in paths)
    return 16 if many else min(16, len(paths))


def _stdin(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        if path != "-":
            yield path
        else:
            yield from (line.rstrip("\r\n") for line in sys.stdin if line.strip())


def _check(prediction: Prediction, names: list[str] | None, path: Path | None) -> None:
    """Refuse a file that does not name each class of the net (CLI010)."""
    for name in prediction.outputs if names is not None else ():
        classes = prediction.outputs[name].size
        if prediction.kinds[name].kind == "classes" and classes > len(names or ()):
            message = f'{path} has {len(names or ())} lines; "{name}" has {classes} classes'
            raise NetError(Diagnostic(BAD_LABELS, message))


def _write(path: Path, kept: list[Prediction]) -> None:
    paths, arrays = [p.source for p in kept], together(kept)
    if path.suffix.lower() in (".h5", ".hdf5"):
        content = as_hdf5(paths, arrays)
    else:
        out = io.BytesIO()
        np.savez(out, paths=np.array(paths), **arrays)
        content = out.getvalue()
    write_bytes(path, content)
    say_written(path)
