"""`netc embed`: the vectors that a net has learned, of words or of samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from netc.api import planning
from netc.api.definition import Definition
from netc.api.embedding import NO_VECTORS, Vectors, map_of, named, names_in, table_of
from netc.api.predict import Predictor
from netc.api.session import Net
from netc.cli import _output
from netc.cli._files import say_written, write_text
from netc.cli._options import OUTPUT, executor_options, file_argument, planning_options
from netc.cli._weights import chosen_weights, show_loaded, weights_option
from netc.data.text.vocabulary import read_vocabulary
from netc.errors import Diagnostic, NetError
from netc.language import Setting
from netc.layer import Shape


@click.command("embed")
@file_argument
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@weights_option
@click.option("--table", metavar="LAYER", help="The table of this layer: a row for each word.")
@click.option("--blob", metavar="NAME", help="This blob, of the net that predicts: a row for each PATH.")
@click.option("--names", type=click.Path(path_type=Path), help="Names of the rows, a line each (a vocabulary).")
@click.option("--near", metavar="NAME,...", default="", help="Show the neighbours of these, by the cosine.")
@click.option("--count", type=click.IntRange(min=1), default=10, show_default=True, help="How many neighbours.")
@click.option("--tsne", type=OUTPUT, help="Draw all on a map (t-SNE), an SVG picture; needs scikit-learn.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the map.")
@click.option("--export", type=OUTPUT, help="Write all in the text format of word2vec.")
@planning_options
@executor_options
@click.option("--json", "as_json", is_flag=True, help="The neighbours as one line of JSON.")
def command(
    file: Path,
    paths: tuple[str, ...],
    weights: str | None,
    table: str | None,
    blob: str | None,
    names: Path | None,
    near: str,
    count: int,
    tsne: Path | None,
    seed: int,
    export: Path | None,
    inputs: tuple[tuple[str, Shape], ...],
    settings: tuple[Setting, ...],
    layers: tuple[Path, ...],
    as_json: bool,
    **run_options: Any,
) -> None:
    """Show which vectors of FILE's net are near each other.

    Either those of a --table, which are named by --names, or by the vocabulary of the net's Text layer; or a --blob of
    the net that predicts, for each image, folder of images or .npz file PATH, named by path: --near finds the images
    that are most like one of them.
    """
    if (table is None) == (blob is None):
        raise click.UsageError("give one of --table and --blob")
    if bool(paths) != (blob is not None):
        raise click.UsageError("--blob needs images or arrays, PATH; --table takes none")
    definition = planning.load(file, layers=layers, settings=settings)
    files = chosen_weights(weights, definition)
    called = read_vocabulary(names).tokens if names else ()
    if table is not None:
        found = _table(definition, files, table, called, dict(inputs), run_options)
    else:
        found = _samples(definition, files, str(blob), paths, called, dict(inputs), run_options)
    wanted = [name for name in near.split(",") if name]
    neighbours = {name: found.near(name, count) for name in wanted}
    if as_json:
        _output.print_json({"vectors": len(found.names), "size": int(found.values.shape[1]), "near": neighbours})
    else:
        for name, others in neighbours.items():
            _output.line(f"{name}: " + ", ".join(f"{other} {cosine:.3f}" for other, cosine in others))
        if not wanted:
            _output.line(f"{len(found.names):,} vectors of {found.values.shape[1]:,} values")
    if tsne:
        write_text(tsne, map_of(found, seed))
        say_written(tsne)
    if export:
        write_text(export, found.as_word2vec())
        say_written(export)


def _table(
    definition: Definition,
    files: list[Path],
    table: str,
    names: tuple[str, ...],
    inputs: dict[str, Shape],
    run_options: dict[str, Any],
) -> Vectors:
    """The rows of a layer's table. The net is that of training: what predicts may not need the table."""
    phase = planning.states(definition)[0].phase
    net = Net(definition, phase, weights=files, inputs=inputs, training=False, synthetic=True, **run_options)
    show_loaded(net.loaded)
    params = {key: [np.asarray(blob) for blob in blobs] for key, blobs in net.params.items()}
    found = table_of(params, table, names)
    return found if names else named(found.values, names_in(definition, len(found.names)))


def _samples(
    definition: Definition,
    files: list[Path],
    blob: str,
    paths: tuple[str, ...],
    names: tuple[str, ...],
    inputs: dict[str, Shape],
    run_options: dict[str, Any],
) -> Vectors:
    """A blob of the net that predicts, for each sample."""
    predictor = Predictor(definition, files, batch=16, inputs=inputs, blobs=[blob], **run_options)
    show_loaded(predictor.loaded)
    found, sources = [], []
    for prediction in predictor(paths):
        if prediction.problem is not None:
            _output.show([prediction.problem])
            continue
        found.append(np.asarray(prediction.outputs[blob], np.float32).reshape(-1))
        sources.append(prediction.source)
    if not found or len({row.size for row in found}) > 1:
        message = f'blob "{blob}" gives no rows of one size' if found else "no sample could be read"
        raise NetError(Diagnostic(NO_VECTORS, message))
    return named(np.stack(found), names or sources)
