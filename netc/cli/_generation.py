"""`netc predict` for a net that generates: a text for each line."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netc.api.definition import Definition
from netc.api.deploy import deploy
from netc.api.generation.generator import Generated, Generator
from netc.api.generation.judging import Judged, judge
from netc.api.session import Net
from netc.cli import _output
from netc.cli._files import write_text
from netc.cli._predictions import Stems
from netc.cli._weights import show_loaded
from netc.data.lists import read_text
from netc.errors import Code, Diagnostic, NetError

UNEVEN = Code(
    "CLI020",
    "there are not as many references as texts",
    why="Line N of the references is what the text of line N should be.",
    example="netc predict translate.net --weights w.caffemodel lines.txt --references other.txt",
    fix="Give as many lines; a line of the texts may also have its reference in a second column, behind a tab.",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be generated: files of lines (`-`: stdin) and texts, what they should become, how many of each.

    draw: the folder that each text is written to, as a file.
    """

    paths: Sequence[str]
    texts: Sequence[str]
    references: Path | None
    count: int
    seed: int
    as_json: bool
    draw: Path | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A text to start from, where it stands, and what it should become, if that is known."""

    source: str
    text: str
    reference: str | None = None


def generate(definition: Definition, weights: Sequence[str | Path], asked: Asked, run_options: dict[str, Any]) -> int:
    """Generate a text for each line, and print it."""
    net = Net(deploy(definition).definition, "TEST", weights=weights, **run_options)
    show_loaded(net.loaded)
    generator = Generator(definition, net, **{k: v for k, v in run_options.items() if k in ("executor", "threads")})
    judged, names = Judged(), Stems(asked.draw) if asked.draw else None
    for line in _with_references(_lines(asked, generator), asked.references):
        found = generator.texts(line.text, count=asked.count, seed=asked.seed)[: asked.count]
        if line.reference is not None:
            judged = judged.plus(judge(generator, line.text, found[0], line.reference))
        shown = _texts(line, found, generator)
        if names is not None:
            stem = names.of(Path(_file_name(line.source)))
            for number, text in enumerate(shown, 1):
                end = f"_{number}" if len(shown) > 1 else ""
                write_text(names.folder / f"{stem}{end}.txt", f"{text}\n")
        _show(line, shown, found, asked)
    if judged.texts:
        _sum_up(judged, asked)
    return 0


def _lines(asked: Asked, generator: Generator) -> Iterator[Line]:
    two = generator.tokens is not None and generator.tokens.source_coder is not None
    for number, text in enumerate(asked.texts, 1):
        yield Line(f"text {number}", text)
    for path in asked.paths:
        lines = sys.stdin if path == "-" else read_text(Path(path)).text.removesuffix("\n").split("\n")
        for number, line in enumerate(lines, 1):
            text, tab, reference = line.rstrip("\r\n").partition("\t")
            pair = (text, reference) if two and tab else (text + tab + reference, None)
            yield Line(f"{path}:{number}", *pair)


def _with_references(lines: Iterator[Line], path: Path | None) -> Iterator[Line]:
    if path is None:
        yield from lines
        return
    given, wanted = list(lines), read_text(path).text.removesuffix("\n").split("\n")
    if len(given) != len(wanted):
        message = f"{path} has {len(wanted):,} lines, and there are {len(given):,} texts"
        raise NetError(Diagnostic(UNEVEN, message, help=UNEVEN.fix))
    for line, reference in zip(given, wanted, strict=True):
        yield Line(line.source, line.text, reference.removesuffix("\r"))


def _file_name(source: str) -> str:
    """A name for a file after where a text stands: `lines.txt:3` gives `lines_3`."""
    path, colon, number = source.rpartition(":")
    return f"{Path(path).stem or 'stdin'}_{number}".replace("-_", "stdin_") if colon else source.replace(" ", "_")


def _texts(line: Line, found: Sequence[Generated], generator: Generator) -> list[str]:
    """What is shown of each text: with what it goes on from, if it does."""
    goes_on = generator.tokens is not None and generator.tokens.source_coder is None
    before = line.text + (" " if line.text and generator.tokens and generator.tokens.coder.cut.unit == "WORD" else "")
    return [f"{before}{text.text}" if goes_on else text.text for text in found]


def _show(line: Line, shown: Sequence[str], found: Sequence[Generated], asked: Asked) -> None:
    if asked.as_json:
        texts = [
            {"text": text, "tokens": len(one.tokens), "log_p": one.log_p, "score": one.score, "ended": one.ended}
            for text, one in zip(shown, found, strict=True)
        ]
        reference = {} if line.reference is None else {"reference": line.reference}
        _output.print_json({"source": line.source, "given": line.text, **reference, "texts": texts})
    elif asked.count == 1:
        _print(shown[0])
    else:
        _output.line(line.source)
        for text, one in zip(shown, found, strict=True):
            _print(f"  {one.score:9.3f}  {text}")


def _print(text: str) -> None:
    for line in text.split("\n"):
        _output.line(line)


def _sum_up(judged: Judged, asked: Asked) -> None:
    bleu = judged.bleu.bleu
    if asked.as_json:
        _output.print_json(
            {
                "texts": judged.texts,
                "right": judged.right,
                "bleu": bleu,
                "search_errors": judged.search_errors,
                "model_errors": judged.model_errors,
            }
        )
        return
    wrong = judged.texts - judged.right
    said = f"{judged.right:,} of {judged.texts:,} texts are right; BLEU {bleu:.4f}"
    if wrong:
        said += (
            f"; of {wrong:,} wrong ones the net finds the reference better {judged.search_errors:,} times (the search "
            f"missed it), its own text {judged.model_errors:,} times"
        )
    _output.line(said)
