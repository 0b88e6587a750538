"""`netc data vocab` and `netc data ngram`: the vocabulary of a text, and how well n-grams predict it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.table import Table

from netc.cli import _output
from netc.cli._files import say_written, write_bytes
from netc.cli._options import OUTPUT
from netc.data.codes import BAD_TEXT
from netc.data.lists import read_text
from netc.data.text.corpus import Lines
from netc.data.text.cut import SPECIAL, Cut, UnitName
from netc.data.text.making import Wanted, vocabulary_of
from netc.data.text.ngram import NGrams
from netc.data.text.vocabulary import Coder, UnknownTokenError, read_vocabulary
from netc.errors import Diagnostic, NetError

F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)


def _cutting(function: F) -> F:
    """Options that say what a token is, as the fields of a Text layer do."""
    unit = click.option(
        "--unit",
        type=click.Choice(["CHAR", "WORD", "BPE"]),
        default="CHAR",
        show_default=True,
        help="What a token is: a character, what stands between blanks, or a piece of a word.",
    )
    lower = click.option("--lower", is_flag=True, help="In small letters.")
    marks = click.option("--marks", is_flag=True, help="Of words: marks stand alone.")
    return unit(lower(marks(function)))


@click.command("vocab")
@click.argument("source", type=PATH)
@click.argument("out", type=OUTPUT)
@_cutting
@click.option("--column", type=click.IntRange(min=0), help="Of lines with tabs: the column to read, from 0.")
@click.option("--size", type=click.IntRange(min=len(SPECIAL)), help="Tokens at most, <pad>, <unk>, <s>, </s> included.")
@click.option("--least", type=click.IntRange(min=1), default=1, show_default=True, help="Times that a token occurs.")
def vocab(
    source: Path, out: Path, unit: UnitName, lower: bool, marks: bool, column: int | None, size: int | None, least: int
) -> None:
    """Write the vocabulary of the text SOURCE to OUT: in each line a token, a tab, and how often it occurs.

    Line N is token N - 1 of a Text layer with this `vocabulary`; `read("OUT")` gives the lines to a net. The most
    frequent come first, behind <pad>, <unk> (which counts what is left out), <s> and </s>; pieces of words (BPE, which
    needs the package tokenizers) in the order in which they are joined.
    """
    found = vocabulary_of(source, Wanted(Cut(unit, lower, marks), column, size, least))
    write_bytes(out, found.as_text().encode("utf-8", "surrogateescape"))
    say_written(out)
    _output.say(f"{len(found):,} tokens, {sum(found.counts):,} of them in the text, {found.counts[1]:,} as <unk>")


@click.command("ngram")
@click.argument("source", type=PATH)
@click.argument("test", type=PATH, required=False)
@_cutting
@click.option("--order", type=click.IntRange(1, 20), default=5, show_default=True, help="The longest n-grams.")
@click.option("--count", type=click.IntRange(min=1), help="Lines to learn from, without TEST (default: nine tenths).")
@click.option("--vocabulary", type=PATH, help="A vocabulary (default: the tokens of SOURCE).")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def ngram(
    source: Path,
    test: Path | None,
    unit: UnitName,
    lower: bool,
    marks: bool,
    order: int,
    count: int | None,
    vocabulary: Path | None,
    as_json: bool,
) -> None:
    """Print how well n-grams of the text SOURCE predict TEST, or else the last lines of SOURCE, as a perplexity.

    A baseline for language models: interpolated Kneser-Ney smoothing, for each length up to --order.
    """
    cut = Cut(unit, lower, marks)
    coder = Coder(cut, read_vocabulary(vocabulary) if vocabulary else vocabulary_of(source, Wanted(cut)))
    text = read_text(source)
    lines = text.text.count("\n") + (not text.text.endswith("\n"))
    learned = lines if test else min(count or lines * 9 // 10, lines)
    first = _numbers(coder, Lines(text, 0, learned))
    held = _numbers(coder, Lines(read_text(test), 0, 1 << 40) if test else Lines(text, learned, lines))
    if not first or len(held) < 2:
        said = f"{source} has {len(first):,} tokens to learn from, and {len(held):,} to predict"
        raise NetError(Diagnostic(BAD_TEXT, said, help="give a TEST file, or --count lines of more"))
    found = {n: NGrams(first, n, len(coder.vocabulary)).perplexity(held) for n in range(1, order + 1)}
    if as_json:
        _output.print_json({"learned": len(first), "tested": len(held), "perplexity": found})
        return
    table = Table("n", "perplexity", title=f"{len(first):,} tokens, {len(held):,} predicted", title_justify="left")
    for length, value in found.items():
        table.add_row(str(length), f"{value:.4g}")
    _output.out.print(table)


def _numbers(coder: Coder, lines: Lines) -> list[int]:
    """The tokens of lines, each with its end. Raises NetError(DAT022) for a token that is not known."""
    found: list[int] = []
    for number, line in lines.numbered():
        try:
            found += [*coder.encode(line), coder.number(coder.cut.line_end)]
        except UnknownTokenError as error:
            raise NetError(lines.problem(number, str(error))) from None
    return found
