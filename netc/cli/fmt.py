"""`netc fmt`: one way to write a file, comments kept."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

import click

from netc import language
from netc.cli import _output
from netc.cli._files import write_text
from netc.files import text_of


@click.command("fmt")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Change nothing; exit 1 if a file is not formatted.")
@click.option("--diff", is_flag=True, help="Change nothing; print what would change.")
def command(files: tuple[Path, ...], check: bool, diff: bool) -> int:
    """Write each of FILES in the canonical form: indentation, one field a line, lists broken one way, comments kept.

    What is on one line stays there if it fits into 120 characters. `-` formats stdin to stdout.
    """
    changed = False
    for file in files:
        if str(file) == "-":
            text = text_of(sys.stdin.buffer.read())
            _output.content(language.format_text(text, "<stdin>"))
            continue
        before = language.read_text(file)
        after = language.format_text(before, str(file))
        if before == after:
            continue
        changed = True
        if diff:
            lines = difflib.unified_diff(
                before.splitlines(keepends=True), after.splitlines(keepends=True), str(file), str(file)
            )
            _output.content("".join(lines))
        if check:
            _output.say(f"{file} is not formatted")
        elif not diff:
            write_text(file, after)
            _output.say(f"formatted {file}")
    return 1 if check and changed else 0
