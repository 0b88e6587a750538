"""`netc new`: a net to begin with: one made for a folder of photos, or one of the gallery."""

from __future__ import annotations

from pathlib import Path

import click

from netc.api import gallery, starting
from netc.api.starting_text import net_text
from netc.cli import _output
from netc.cli._files import CANNOT_WRITE, write_bytes, write_text
from netc.cli._progress import bar
from netc.data.look import Look, look_at
from netc.errors import Code, Diagnostic, NetError, suggest

THERE = Code(
    "CLI015",
    "a file that is to be written is there already",
    why="`netc new` writes new files; what is in a file of the same name may be somebody's work.",
    example="netc new photos.net --images photos/  # photos.net was changed by hand since it was made",
    fix="Give another name, or take `--force` to replace the file.",
)


@click.command("new")
@click.argument("name", required=False, metavar="FILE|NAME")
@click.option(
    "--images", type=click.Path(path_type=Path), metavar="FOLDER", help="Write a net for the photos in this folder."
)
@click.option("--list", "list_all", is_flag=True, help="List the nets of the gallery.")
@click.option("--force", is_flag=True, help="Replace files that are there already.")
def command(name: str | None, images: Path | None, list_all: bool, force: bool) -> None:
    """Begin with a net that is there to be changed.

    \b
    netc new photos.net --images photos/   a net that tells the photos in photos/cat, photos/dog ... apart
    netc new --list                        the nets that come with netc
    netc new resnet18                      one of them, as resnet18.net

    With --images the photos are looked at: how many of which class, how large, which colours. What follows from that is
    written into FILE, with comments: sizes, mean, what is kept to test on, the layers, the learning rate.
    """
    if list_all:
        for work in gallery.gallery().values():
            _output.line(f"{work.name:<16}{work.about}")
    elif images is not None:
        _photos(Path(name) if name else Path(f"{images.resolve().name}.net"), images, force)
    elif name is not None:
        _from_gallery(name, force)
    else:
        raise click.UsageError("give --images FOLDER, the name of a net, or --list")


def _photos(file: Path, images: Path, force: bool) -> None:
    _check([file], force)
    with bar("looking at photos") as progress:
        look = look_at(images, progress)
    choice = starting.choose(look)
    write_text(file, net_text(look, choice, file))
    for sentence in starting.advice(look):
        _output.say(sentence, "yellow")
    _output.say(f"wrote {file}: {_summary(look)}")
    _output.say(f"next: netc train {file}")


def _summary(look: Look) -> str:
    return f"{len(look.train.counts)} classes, {look.train.count} photos to learn from, {look.test.count} to test on"


def _from_gallery(name: str, force: bool) -> None:
    works = gallery.gallery()
    work = works.get(name.removesuffix(".net"))
    if work is None:
        close = suggest(name, works)
        known = "`netc new --list` lists them; --images FOLDER makes one for photos"
        hint = f"did you mean {close}?" if close else known
        raise click.UsageError(f"there is no net called {name!r} in the gallery; {hint}")
    files = {path: content for path, content in gallery.parts(work).items() if not _same(path, content)}
    _check(list(files), force)
    for path, content in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NetError(Diagnostic(CANNOT_WRITE, f"cannot make {path.parent}: {error.strerror}")) from error
        write_bytes(path, content)
        _output.say(f"wrote {path}")
    if not files:
        _output.say(f"{work.path.name} is there already, as it is in the gallery")


def _same(path: Path, content: bytes) -> bool:
    """Whether the file is there with just this content, as another net of the gallery brought it."""
    try:
        return path.read_bytes() == content
    except OSError:
        return False


def _check(files: list[Path], force: bool) -> None:
    there = [str(path) for path in files if path.exists()]
    if there and not force:
        message = f"{', '.join(there)} {'is' if len(there) == 1 else 'are'} there already"
        raise NetError(Diagnostic(THERE, message, help=THERE.fix))
