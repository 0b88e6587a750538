"""`netc data`: make databases, compute their mean, say what is in data, and find bad records."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import click

from netc.cli import _output
from netc.cli._files import STDOUT, say_written, write_text
from netc.cli._options import OUTPUT
from netc.cli._progress import bar
from netc.cli._text_data import ngram, vocab
from netc.data import box_files, dense_images, idx, lists, mean, survey, writing
from netc.data.codes import BAD_ARRAY, MISSING_DATA, NOT_MADE
from netc.data.database import LABELS
from netc.data.order import permutation
from netc.errors import Diagnostic, NetError, visible

PATH = click.Path(path_type=Path)
_SHOWN = 50  # bad records that are printed


class Size(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """`256x256`: height and width."""

    name = "HEIGHTxWIDTH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        height, _, width = str(value).partition("x")
        if not (height.isdigit() and width.isdigit() and int(height) and int(width)):
            self.fail(f"{value!r} is not of the form 256x256", param, ctx)
        return int(height), int(width)


on_bad_record = click.option(
    "--on-bad-record",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="What to do with an image that cannot be used.",
)


@click.group("data")
def command() -> None:
    """Make databases and vocabularies, and look into data."""


command.add_command(vocab)
command.add_command(ngram)


@command.command("images")
@click.argument("source", type=PATH)
@click.argument("out", type=PATH)
@click.option("--root", default="", help="A folder, or text, to put before every path of a list.")
@click.option("--resize", type=Size(), help="Resize all images.")
@click.option("--gray", is_flag=True, help="Store one channel.")
@click.option("--shuffle", is_flag=True, help="Store the images in a shuffled order.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the shuffled order.")
@click.option(
    "--store",
    type=click.Choice(["raw", "png", "jpg", "file"]),
    default="raw",
    show_default=True,
    help="Pixels, images encoded anew, or the files as they are.",
)
@on_bad_record
def images(
    source: Path,
    out: Path,
    root: str,
    resize: tuple[int, int] | None,
    gray: bool,
    shuffle: bool,
    seed: int,
    store: str,
    on_bad_record: str,
) -> None:
    """Write the images of SOURCE into the LMDB OUT.

    SOURCE is a text file with a path and a label in each line, or a folder with a folder of images for each class. A
    run that was stopped goes on where it was if it is started again.
    """
    if store == "file" and (resize or gray):
        raise click.UsageError("--store file keeps the files as they are; it does not go with --resize and --gray")
    if not source.exists():
        raise NetError(Diagnostic(MISSING_DATA, f"there is nothing at {source}"))
    classes: list[str] = []
    if source.is_dir():
        listed, classes = lists.read_folder(source)
        folder, prefix = source, f"{source}/"
    else:
        listed, folder, prefix = lists.read_list(source), source.parent, root
        lists.check_whole(source, listed)
    if shuffle:
        listed = [listed[i] for i in permutation(len(listed), seed, 0)]
    options = writing.ImageOptions(folder, prefix, resize, "gray" if gray else "color", store)
    _make(out, writing.image_items(listed, options), on_bad_record, threads=max(2, os.cpu_count() or 1))
    if classes:
        write_text(out / LABELS, "".join(f"{_on_a_line(name)}\n" for name in classes))


@command.command("boxes")
@click.argument("source", type=PATH)
@click.argument("out", type=PATH)
@click.option("--label-map", type=PATH, help="Numbers of the class names: SSD's .prototxt, or a line for each class.")
@click.option("--root", default="", help="A folder, or text, to put before every path.")
@click.option("--resize", type=Size(), help="Resize all images, stored as JPEG; otherwise files stay as they are.")
@click.option("--shuffle", is_flag=True, help="Store the images in a shuffled order.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the shuffled order.")
@on_bad_record
def boxes(
    source: Path,
    out: Path,
    label_map: Path | None,
    root: str,
    resize: tuple[int, int] | None,
    shuffle: bool,
    seed: int,
    on_bad_record: str,
) -> None:
    """Write the images of SOURCE, with their boxes, into the LMDB OUT, for AnnotatedData.

    SOURCE is a text file with the path of an image and the path of its boxes in each line. Boxes are PASCAL VOC's .xml,
    or text with lines of CLASS XMIN YMIN XMAX YMAX; both in pixels. CLASS is a number, or a name of --label-map.
    """
    if not source.exists():
        raise NetError(Diagnostic(MISSING_DATA, f"there is nothing at {source}"))
    pairs = dense_images.read_pairs(source)
    if shuffle:
        pairs = [pairs[i] for i in permutation(len(pairs), seed, 0)]
    classes = box_files.read_label_map(label_map) if label_map else {}
    options = box_files.BoxOptions(source.parent, root, classes, resize)
    _make(out, box_files.box_items(pairs, options), on_bad_record, threads=max(2, os.cpu_count() or 1))


@command.command("mnist")
@click.argument("images", type=PATH)
@click.argument("labels", type=PATH)
@click.argument("out", type=PATH)
@click.option("--first", type=click.IntRange(min=0), default=0, help="Number of the first image to take.")
@click.option("--count", type=click.IntRange(min=1), help="How many images to take (default: all from there on).")
def mnist(images: Path, labels: Path, out: Path, first: int, count: int | None) -> None:
    """Write MNIST's IMAGES and LABELS (IDX files, plain or .gz) into the LMDB OUT.

    \b
    netc data mnist t10k-images-idx3-ubyte.gz t10k-labels-idx1-ubyte.gz train_lmdb --count 8000
    netc data mnist t10k-images-idx3-ubyte.gz t10k-labels-idx1-ubyte.gz test_lmdb --first 8000
    """
    pixels, numbers = idx.read_images(images, labels)
    last = first + count if count else len(pixels)
    if first >= len(pixels) or last > len(pixels):
        message = f"images {first} to {max(first, last - 1)} are asked for, but {images} has {len(pixels):,}"
        raise NetError(Diagnostic(BAD_ARRAY, message))
    assert numbers is not None
    _make(out, writing.array_items(pixels[first:last], numbers[first:last]), "stop")


@command.command("mean")
@click.argument("source", type=PATH)
@click.argument("out", type=OUTPUT)
def mean_command(source: Path, out: Path) -> None:
    """Write the mean image of the LMDB SOURCE to OUT, a .binaryproto file for `mean_file`."""
    with bar("reading") as progress:
        image = mean.mean_image(source, progress)
    if out == STDOUT:
        _output.content(mean.as_bytes(image))
    else:
        mean.write_mean(out, image)
    values = " ".join(f"mean_value: {value:.6g}" for value in image[0].mean(axis=(1, 2), dtype=float))
    say_written(out)
    _output.out.print(values)


@command.command("info")
@click.argument("source", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def info(source: Path, as_json: bool) -> None:
    """Say what is in SOURCE: how many records, of which shapes, with which labels.

    SOURCE is an LMDB, a folder of images by class, a list of images or of HDF5 files, or an HDF5, IDX, NPZ or CSV file.
    """
    with bar("reading") as progress:
        found = survey.survey(source, decode=False, classes=None, progress=progress)
    if as_json:
        _output.print_json(_as_json(found))
    else:
        _show(found)


@command.command("check")
@click.argument("source", type=PATH)
@click.option("--classes", type=click.IntRange(min=1), help="Labels must be 0 to this minus 1.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def check(source: Path, classes: int | None, as_json: bool) -> int:
    """Read and decode every record of SOURCE and name the bad ones; exit code 1 if there are some."""
    with bar("checking") as progress:
        found = survey.survey(source, decode=True, classes=classes, progress=progress)
    if as_json:
        _output.print_json({**_as_json(found), "bad": [{"record": n, "reason": r} for n, r in found.bad]})
    else:
        for name, reason in found.bad[:_SHOWN]:
            _output.out.print(f"{name}: {reason}")
        if len(found.bad) > _SHOWN:
            _output.say(f"and {len(found.bad) - _SHOWN:,} more")
        _output.say(f"{found.count:,} records, {len(found.bad):,} bad", "red" if found.bad else "green")
    return 1 if found.bad else 0


# ---------------------------------------------------------------- what they share


def _make(out: Path, items: list[writing.Item], on_bad: str, threads: int = 1) -> None:
    if not items:
        raise NetError(Diagnostic(NOT_MADE, f"there are no images to write to {out}"))
    with bar("writing") as progress:
        total = len(items)
        skip = on_bad == "skip"
        made = writing.make(out, items, skip=skip, progress=lambda done: progress(done, total), threads=threads)
    if made.warning:
        _output.show([made.warning])
    for name, reason in made.bad[:_SHOWN]:
        _output.say(f"left out {name}: {reason}", "yellow")
    before = f" ({made.before:,} were there already)" if made.before else ""
    left = f", left out {len(made.bad):,}" if made.bad else ""
    _output.say(f"wrote {made.written:,} records to {out}{before}{left}")


def _on_a_line(name: str) -> str:
    """A class's name as a line of labels.txt: its bytes, whatever they are, but no end of a line."""
    return "".join(c if not c.isascii() else visible(c) for c in name)


def _as_json(found: survey.Survey) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "count": found.count,
        "shapes": {"x".join(map(str, shape)): count for shape, count in found.shapes.most_common()},
        "labels": {str(label): found.labels[label] for label in sorted(found.labels)},
        "bad": len(found.bad),
        **dict(found.facts),
    }


def _show(found: survey.Survey) -> None:
    out = _output.out
    out.print(f"{found.kind}, {found.count:,} records")
    for name, value in found.facts:
        out.print(f"{name}: {value}")
    for shape, count in found.shapes.most_common(10):
        out.print(f"shape {'x'.join(map(str, shape)) or '(one value)'}: {count:,}")
    if len(found.shapes) > 10:
        out.print(f"and {len(found.shapes) - 10:,} other shapes")
    _histogram(found.labels)
    if found.bad:
        _output.say(f"{len(found.bad):,} bad records; `netc data check` names them", "yellow")


def _histogram(labels: Counter[int]) -> None:
    if not labels:
        return
    most = max(labels.values())
    _output.out.print(f"labels {min(labels)} to {max(labels)}, {len(labels)} different:")
    for label in sorted(labels)[:100]:
        bar = "#" * max(1, round(40 * labels[label] / most))
        _output.out.print(f"{label:>8} {labels[label]:>10,} {bar}")
    if len(labels) > 100:
        _output.out.print(f"and {len(labels) - 100:,} more labels")
