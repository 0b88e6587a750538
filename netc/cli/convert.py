"""`netc convert`: nets and weights from one file format to another, and to ONNX and PyTorch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from netc.cli import _output
from netc.cli._files import in_folder, read_lines, say_written, write_parts
from netc.cli._options import OUTPUT_OR_FOLDER, planning_options
from netc.cli.predict import BAD_LABELS
from netc.convert import files
from netc.convert.check import ROUNDED, TOLERANCE, Checked, check, random_inputs
from netc.convert.codes import NOT_CHECKED
from netc.convert.given import given_inputs
from netc.convert.made_up import parameters
from netc.convert.model import Made, Model, Options
from netc.convert.onnx.sizes import AXES
from netc.convert.predicting import build
from netc.errors import Diagnostic, NetError
from netc.language import Setting
from netc.layer import Shape
from netc.run.weights import not_finite


class AxesOption(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """`N,H,W`: axes of inputs."""

    name = "N,H,W"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        letters = tuple(dict.fromkeys(str(value).upper().replace(" ", "").split(",")))
        if unknown := [letter for letter in letters if letter not in AXES]:
            self.fail(f"{unknown[0]!r} is none of {', '.join(AXES)}", param, ctx)
        return letters


@click.command("convert")
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=OUTPUT_OR_FOLDER)
@click.option("--weights", "weights", type=click.Path(path_type=Path), multiple=True, help="Parameters, by layer name.")
@click.option("--to", metavar="ENDING", help="The format, whatever OUT is called: .net, torch...; for - and folders.")
@click.option("--half", is_flag=True, help="Store parameters in FP16 (weights of convolutions and products).")
@click.option("--batch", type=click.IntRange(min=1), help="Batch size of the ONNX file.")
@click.option("--dynamic", type=AxesOption(), help="Sizes of ONNX inputs to leave free: N (batch), H, W.")
@click.option("--upto", metavar="BLOB", multiple=True, help="End with this blob, not with the net's outputs.")
@click.option("--with-preprocessing", is_flag=True, help="Take pixels: mean, crop and scale become part of the file.")
@click.option("--labels", type=click.Path(path_type=Path), help="A text file that names class N in line N.")
@click.option("--opset", type=int, help="Version of ONNX's operators (17).")
@click.option("--domain", type=click.Choice(["opencv", "openvino"]), help="Whose own nodes ONNX files may use.")
@click.option("--for", "profile", default="", metavar="TOOL", help="Of --to caffe: the tool that is to read the files.")
@click.option("--fold", is_flag=True, help="Of --to caffe: BatchNorm and Scale go into the layer before them.")
@click.option("--in-place", is_flag=True, help="Of --to caffe: layers write over what they read, where they may.")
@click.option("--check", "checked", is_flag=True, help="Run what was made, and compare it with netc layer by layer.")
@click.option(
    "--given", type=click.Path(path_type=Path), multiple=True, help="Check on the arrays of a .npz file, too."
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    help=f"Of --check ({TOLERANCE}; {ROUNDED} where --half rounds what --fold made).",
)
@click.option("--seed", type=int, default=0, help="Of the random inputs of --check.")
@planning_options
def command(
    source: Path,
    target: Path,
    weights: tuple[Path, ...],
    inputs: tuple[tuple[str, Shape], ...],
    to: str | None,
    checked: bool,
    given: tuple[Path, ...],
    tolerance: float | None,
    seed: int,
    settings: tuple[Setting, ...],
    layers: tuple[Path, ...],
    **asked: Any,
) -> int:
    """Convert IN to OUT; the endings of the names say from what to what.

    \b
    .net          the net as a program of netc's language
    .prototxt     the net in plain text format, for any Caffe (also .pt, .pbtxt)
    .caffemodel   net and parameters, as Caffe's snapshots
    .h5           parameters as Caffe's HDF5 snapshots, with the net's text beside them
    .safetensors  parameters, with the net's text beside them
    .py           the net as a module for PyTorch, with its parameters as .safetensors beside it (only written)
    .onnx         the net that predicts, with its parameters (only written)

    \b
    netc convert old.prototxt new.net
    netc convert net.prototxt model.onnx --weights model.caffemodel --batch 1 --check
    netc convert model.caffemodel half.caffemodel --half
    netc convert train_val.prototxt FOLDER --to torch --weights model.caffemodel
    netc convert ssd.prototxt ssd.onnx --weights ssd.caffemodel --dynamic N,H,W
    netc convert old.prototxt FOLDER --to caffe --for ncnn --fold --check --weights old.caffemodel

    --to caffe writes the net that predicts as a prototxt and a caffemodel: for BVLC's Caffe, or for what the reader of
    a tool takes (--for ncnn, openvino, rknn, ascend, tpu-mlir).

    --check runs what was made on random inputs (and those of --given) beside netc. Where a layer's top differs by more
    than the tolerance, it names the first that does, writes nothing, and the exit code is 1. A net without parameters
    is checked with made-up ones.
    """
    model = files.with_weights(files.read(source, layers, settings), weights)
    if model.definition is not None:
        _output.show(model.definition.warnings)
    if model.weights is not None:
        _output.show(not_finite(model.weights.layers, str(model.path if not weights else weights[-1])))
    if asked["labels"] is not None:
        asked["labels"] = tuple(read_lines(asked["labels"], BAD_LABELS))
    options = Options(inputs=dict(inputs), **{name: value for name, value in asked.items() if value is not None})
    ending = f".{to.lstrip('.')}" if to else target.suffix
    made = files.dump(model, ending, options)
    for note in made.notes:
        _output.say(note)
    if checked or given:
        bare = made.checkable is not None and model.weights is None
        known = files.dump(_made_up(model, options), ending, options) if bare else made
        _check(known, target, given, tolerance, seed, bare)
    target = in_folder(target, files.formats()[ending].in_folder) if to else target
    write_parts(target, made.parts)
    say_written(target)
    for ending, parts in made.beside.items():
        write_parts(target.with_suffix(ending), parts)
        say_written(target.with_suffix(ending))
    return 0


def _made_up(model: Model, options: Options) -> Model:
    """The model with made-up parameters, which show more than those of an untrained net."""
    it, _ = build(model, Options(batch=options.batch, inputs=options.inputs))
    return replace(model, weights=parameters(it.plan)) if it.plan.params else model


def _check(made: Made, target: Path, given: tuple[Path, ...], tolerance: float | None, seed: int, bare: bool) -> None:
    if made.checkable is None:
        message = f"{target} cannot be checked: {made.unchecked}"
        raise NetError(Diagnostic(NOT_CHECKED, message, help=NOT_CHECKED.fix))
    inputs = [
        *random_inputs(made.checkable, seed=seed),
        *(i for path in given for i in given_inputs(made.checkable, path)),
    ]
    found = check(made.checkable, inputs, tolerance)
    if found.problem is not None:
        raise NetError(found.problem)
    _output.say(_summary(found, bare))


def _summary(found: Checked, bare: bool) -> str:
    runs = f"{found.runs} run{'s' * (found.runs != 1)}"
    chose = f"; rounding made {', '.join(found.moved)} choose otherwise" if found.moved else ""
    worst = f'; the worst is "{found.worst.blob}" by {found.worst.error:.2g}' if found.worst else ""
    compared = f"{found.compared} of {found.computed} blobs compared in {runs}"
    lost = f'; from layer "{found.overflown}" on values overflow, so that this says little' if found.overflown else ""
    on = " on made-up parameters" if bare else ""
    return f"{found.runner} agrees with netc{on}: {compared}{worst}{chose}{lost}"
