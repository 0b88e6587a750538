"""`netc convert`: nets and weights from one file format to another, and to ONNX."""

from __future__ import annotations

from pathlib import Path

import click

from netc.cli import _output
from netc.cli._files import say_written, write_bytes
from netc.cli._options import OUTPUT, planning_options
from netc.convert import files
from netc.layer import Shape


@click.command("convert")
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=OUTPUT)
@click.option("--weights", "weights", type=click.Path(path_type=Path), multiple=True, help="Parameters, by layer name.")
@click.option("--batch", type=click.IntRange(min=1), help="Batch size of the ONNX file.")
@click.option("--to", metavar="ENDING", help="The format, whatever OUT is called: .net, .onnx...; for - (stdout).")
@click.option("--half", is_flag=True, help="Store parameters in FP16, as OpenCV's shrinkCaffeModel does.")
@planning_options
def command(
    source: Path,
    target: Path,
    weights: tuple[Path, ...],
    batch: int | None,
    inputs: tuple[tuple[str, Shape], ...],
    to: str | None,
    half: bool,
    layers: tuple[Path, ...],
) -> None:
    """Convert IN to OUT; the endings of the names say from what to what.

    \b
    .net          the net as a program of netc's language
    .prototxt     the net in plain text format, for any Caffe (also .pt, .pbtxt)
    .caffemodel   net and parameters, as Caffe's snapshots
    .h5           parameters as Caffe's HDF5 snapshots, with the net's text beside them
    .safetensors  parameters, with the net's text beside them
    .onnx         the net that predicts, with its parameters and fixed shapes (only written)

    \b
    netc convert old.prototxt new.net
    netc convert net.prototxt model.onnx --weights model.caffemodel --batch 1
    netc convert model.caffemodel half.caffemodel --half
    """
    model = files.with_weights(files.read(source, layers), weights)
    if model.definition is not None:
        _output.show(model.definition.warnings)
    content, notes = files.dump(
        model, f".{to.lstrip('.')}" if to else target.suffix, files.Options(batch, dict(inputs), half)
    )
    write_bytes(target, content)
    for note in notes:
        _output.say(note)
    say_written(target)
