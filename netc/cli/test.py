"""`netc test`: run the test net on trained weights, average its outputs, and say which classes it confuses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.table import Table

from netc.api import history
from netc.api.confusion import Confusion, as_csv
from netc.api.definition import Definition
from netc.api.metrics import finite
from netc.api.preprocess import class_names_of
from netc.api.session import Net
from netc.api.wrong import Mistakes
from netc.cli import _output
from netc.cli._files import read_lines, say_written, write_bytes, write_text
from netc.cli._options import OUTPUT, bad_record_option, executor_options, file_argument, writes_option
from netc.cli._records import show_left_out
from netc.cli._weights import chosen_weights, loading_options, show_loaded, weights_option
from netc.cli._which import Which, net_options
from netc.errors import Code, Diagnostic, NetError
from netc.kernels.average_precision import VERSIONS
from netc.kernels.confusion import Classes
from netc.pages.tested import result_page
from netc.plan.model import Plan
from netc.solve.averages import Averages

SHOWN = 20
"""Up to so many classes are shown whole; of more, the ten with the lowest recall."""

NO_CONFUSION = Code(
    "CLI011",
    "no classes to compare",
    why="The confusion matrix needs scores and labels: those that an Accuracy layer or a loss over classes reads, "
    "or the blobs that `--scores` and `--labels` name.",
    example="netc test deploy.prototxt --weights w.caffemodel --confusion matrix.csv",
    fix="netc test train_val.prototxt --weights w.caffemodel --scores fc8 --labels label --confusion matrix.csv",
)
BAD_NAMES = Code(
    "CLI012",
    "the file of class names cannot be used",
    why="Line N of the file names class N, so it needs a line for each class.",
    example="netc test lenet.net --weights lenet.caffemodel --class-names three_lines.txt",
    fix="Give a text file with one line for each class, in the order of the labels.",
)


@click.command("test")
@file_argument
@net_options("TEST")
@weights_option
@loading_options
@click.option(
    "--iterations", type=click.IntRange(min=1), help="Batches to run (default: the solver's test_iter, or else 50)."
)
@click.option("--scores", metavar="BLOB", help="Scores of the classes (default: what Accuracy or the loss reads).")
@click.option("--labels", metavar="BLOB", help="Labels to compare with (default: what Accuracy or the loss reads).")
@click.option(
    "--class-names",
    type=click.Path(path_type=Path),
    help="A text file that names class N in line N (default: the names that the model or the data has).",
)
@click.option("--confusion", type=OUTPUT, help="Write the confusion matrix as CSV.")
@click.option(
    "--ap-version",
    type=click.Choice(tuple(VERSIONS)),
    default="Integral",
    show_default=True,
    help="How the average precision of detections (DetectionEvaluate) is computed.",
)
@bad_record_option
@writes_option
@executor_options
@click.option(
    "--html", type=OUTPUT, help="Write a page: classes, what is taken for what, the images it is surest of and wrong."
)
@click.option("--json", "as_json", is_flag=True, help="The averages as one line of JSON.")
def command(
    file: Path,
    which: Which,
    weights: str | None,
    reshape: bool,
    names: tuple[tuple[str, str], ...],
    iterations: int | None,
    scores: str | None,
    labels: str | None,
    class_names: Path | None,
    confusion: Path | None,
    ap_version: str,
    html: Path | None,
    as_json: bool,
    **run_options: Any,
) -> None:
    """Run FILE's net on --weights and average each output over the batches.

    For a detector (a net with a DetectionEvaluate layer) the mean average precision, and that of each class.
    For a classifier (a net with an Accuracy layer or a loss over classes, or with --scores and --labels) also precision
    and recall of each class, and the confusion matrix; for a segmentation, where each position has a label, also the
    intersection over union (IoU) of each class and its mean.
    """
    if (scores is None) != (labels is None):
        raise click.UsageError("--scores and --labels go together")
    fast = run_options.get("executor") == "fast"
    keep = fast or scores is not None or html is not None  # else it is observed, which takes no memory
    definition = which.load(file)
    files = chosen_weights(weights, definition)
    net = Net(
        definition,
        which.phase,
        weights=files,
        reshape=reshape,
        names=dict(names),
        training=False,
        need_data=True,
        keep=keep,
        **which.options,
        **run_options,
    )
    _output.show((*net.definition.warnings, *net.plan.warnings))
    show_loaded(net.loaded)
    if unfed := [net.graph.values[v].name for v in net.graph.inputs]:
        _output.say(f"no data for {', '.join(unfed)}: they are zero", "yellow")
    compared = Confusion(net, scores, labels) if scores or Confusion.possible(net.plan) else None
    if compared is None and (confusion or class_names):
        raise NetError(Diagnostic(NO_CONFUSION, f'net "{net.graph.name}" compares no classes with labels'))
    shown = _names(class_names, len(compared.matrix), net.plan, files) if compared else []
    iterations = iterations or _batches(definition)
    mistakes = Mistakes(net, compared) if compared and html else None
    means = _run(net, iterations, compared, keep, ap_version, mistakes)
    show_left_out([net])
    if html is not None:
        about = f"{iterations} batches of phase {which.phase}, weights {', '.join(path.name for path in files)}"
        write_bytes(html, _page(net, about, means, compared, shown, mistakes))
        say_written(html)
    if confusion and compared:
        write_text(confusion, as_csv(compared.classes, shown))
    if as_json:
        found: dict[str, Any] = {n: float(v.reshape(-1)[0]) if v.size == 1 else v.tolist() for n, v in means.items()}
        _output.print_json(finite({**found, **(_json(compared.classes, shown) if compared else {})}))
        return
    _show_means(net, means, iterations)
    if compared:
        _show_classes(compared.classes, shown, compared.positions)
        if compared.outside:
            _output.say(f"{compared.outside} labels are no class of the net and were not counted", "yellow")


def _page(
    net: Net, about: str, means: dict[str, Any], compared: Confusion | None, names: list[str], mistakes: Mistakes | None
) -> bytes:
    """The page of --html, with the curves of the net's run, if its metrics are there."""
    try:
        curves = history.read(net.definition.path).plot().svg
    except NetError:
        curves = ""
    classes, wrong = compared.classes if compared else None, mistakes.found if mistakes else []
    return result_page(net.graph.name or "net", about, means, classes, names, wrong, curves)


def _run(
    net: Net, iterations: int, compared: Confusion | None, kept: bool, ap_version: str, mistakes: Mistakes | None
) -> dict[str, Any]:
    averages = Averages(net, ap_version, per_class=True)
    with np.errstate(all="ignore"), net.observed(compared) if compared and not kept else nullcontext():
        for _ in range(iterations):
            averages.add(net.forward())
            if compared and kept:
                compared.add()
            if mistakes:
                mistakes.add()
    return averages.means()


def _batches(definition: Definition) -> int:
    """How many batches a test takes: of the net's own solver, or as many as Caffe does."""
    own = definition.solver.test_iter if definition.solver is not None else ()
    return int(own[0]) if own and own[0] > 0 else 50


def _names(path: Path | None, count: int, plan: Plan, weights: Sequence[Path]) -> list[str]:
    """A name for each class: those of the file, or those that the model or the data has, if as many, or numbers."""
    if path is None:
        known = class_names_of(plan, weights)
        return list(known) if len(known) == count else [str(i) for i in range(count)]
    names = read_lines(path, BAD_NAMES)
    if len(names) < count:
        raise NetError(Diagnostic(BAD_NAMES, f"{path} has {len(names)} lines, the net {count} classes"))
    return names[:count]


def _json(classes: Classes, names: list[str]) -> dict[str, Any]:
    return {
        "classes": {
            "names": names,
            "count": classes.counts.tolist(),
            "precision": classes.precision,
            "recall": classes.recall,
            "f1": classes.f1,
            "iou": classes.iou,
        },
        "mean_iou": classes.mean_iou,
        **({"confusion": classes.matrix.tolist()} if len(classes.matrix) <= 100 else {}),
    }


def _show_means(net: Net, means: dict[str, Any], iterations: int) -> None:
    table = Table("output", "mean", title=f"{net.graph.name}, {iterations} batches", title_justify="left")
    for name, value in means.items():
        one = f"{float(value.reshape(-1)[0]):.6g}" if value.size == 1 else ""
        table.add_row(name, one or f"{value.size} values, mean {value.mean():.6g}")
    _output.out.print(table)


def _show_classes(classes: Classes, names: list[str], positions: bool) -> None:
    order = list(range(len(names)))
    title = "classes"
    if len(order) > SHOWN:
        order = sorted((i for i in order if classes.counts[i]), key=lambda i: classes.recall[i])[:10]
        title = f"the {len(order)} classes of {len(names)} with the lowest recall"
    counted = "positions" if positions else "samples"
    table = Table("class", counted, "precision", "recall", "F1", title=title, title_justify="left")
    if positions:
        table.add_column("IoU")
    for i in order:
        numbers = [classes.precision[i], classes.recall[i], classes.f1[i], *([classes.iou[i]] if positions else ())]
        table.add_row(names[i], str(classes.counts[i]), *("-" if math.isnan(v) else f"{v:.4f}" for v in numbers))
    _output.out.print(table)
    if positions:
        known = sum(not math.isnan(share) for share in classes.iou)
        _output.line(f"mean IoU {classes.mean_iou:.4f} over {known} classes, {classes.accuracy:.4f} of positions right")
    if len(names) <= SHOWN:
        matrix = Table("label", *names, title="confusion: a row for each label", title_justify="left")
        for name, row in zip(names, classes.matrix, strict=True):
            matrix.add_row(name, *(str(n) if n else "." for n in row))
        _output.out.print(matrix)
