"""Runs the blocks of one page, in their order, in one folder, as a reader would."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import netc.cli
from netc import kernel_files
from netc.cli import _output
from tests.docs.given import give
from tests.docs.pages import ROOT, Part

SHELL = set("|<>&;$")
NUMBER = r"[+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?"
PIECE = re.compile(rf"((?<![\w.]){NUMBER}(?!\w)|\.\.\.)")
RATE = re.compile(r" ?(?:it/s|(?:images|samples)/s|ms\b|s\b|%| left)|:\d\d:\d\d left|:\d\d left")
ABOUT = 0.05
"""How far a printed number may be from the page's: vector instructions add in another order."""


@dataclass
class Reader:
    """Somebody who does what a page says.

    said: what each command printed, and `last` the last one. failed: what is not as the page says.
    """

    folder: Path
    names: dict[str, Any] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    last: str = ""
    failed: list[str] = field(default_factory=list)

    def read(self, part: Part) -> None:
        """Do what a part of the page asks for."""
        for name in part.marks.get("given", "").split(", "):
            if name:
                give(name, self.folder)
        if "not run" in part.marks or "held by" in part.marks:
            return
        if source := part.marks.get("excerpt of"):
            if part.text not in (ROOT / source).read_text(encoding="utf-8"):
                self.failed.append(f"line {part.line}: this does not stand in {source}")
        elif part.kind == "table" and "run" in part.marks:
            self._table(part)
        elif part.kind == "block":
            self._block(part)

    def _block(self, part: Part) -> None:
        if "file" in part.marks:
            (self.folder / part.marks["file"]).write_text(part.text, encoding="utf-8")
        elif part.info == "sh":
            for line in lines_of(part.text):
                self._line(line, part)
        elif part.info == "python":
            self._python(part)
        elif part.info == "text":
            said = self._output(part.marks["output of"], part) if "output of" in part.marks else self.last
            if problem := differs(part.text, said):
                self.failed.append(f"line {part.line}: {problem}")
        elif part.info in ("net", "prototxt"):
            name = f"line{part.line}.{part.info}"
            (self.folder / name).write_text(part.text, encoding="utf-8")
            self._line(f"netc check {name}", part)
        else:
            self.failed.append(f"line {part.line}: a block of kind {part.info!r} is neither run nor marked")

    def _output(self, line: str, part: Part) -> str:
        """What a command printed, or prints now."""
        if line not in self.said:
            self._line(line, part)
        return self.said[line]

    def _line(self, line: str, part: Part) -> None:
        command, dash, options = part.marks.get("shortened", "").partition(" --")
        given = f"{line.partition('  #')[0]} {dash}{options}".strip() if dash and line.startswith(command) else line
        code, said = self.command(given)
        self.last = self.said[line] = said
        if code != int(part.marks.get("exit", 0)):
            self.failed.append(f"line {part.line}: `{given}` ends with {code}:\n{said[-2000:]}")

    def command(self, line: str) -> tuple[int, str]:
        """Run a line of a shell: its exit code and all that it prints. netc itself runs in this process."""
        words = shlex.split(line, comments=True)
        if words[0] == "make":  # what it would do: the targets make environments of their own
            line = shlex.join(["make", "-n", "-C", str(ROOT), *words[1:]])
        if words[0] == "netc" and not SHELL & set(line.partition("#")[0]):
            return in_process(words[1:])
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
        env = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
        shell = ["bash", "-eo", "pipefail", "-c", line]
        done = subprocess.run(shell, env=env, capture_output=True, text=True, timeout=600, check=False)
        return done.returncode, done.stdout + done.stderr

    def _python(self, part: Part) -> None:
        out = io.StringIO()
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                exec(compile(part.text, f"line {part.line}", "exec"), self.names)
        except Exception as error:
            self.failed.append(f"line {part.line}: {type(error).__name__}: {error}")
        self.last = out.getvalue()
        for comment in re.findall(r"^print\(.*\)  # (.*)$", part.text, re.M):
            if problem := differs(comment, out.getvalue()):
                self.failed.append(f"line {part.line}: {problem}")

    def _table(self, part: Part) -> None:
        for command, result, *_ in part.rows()[1:]:
            line = command.strip("`").replace("\\|", "|")
            said = plain(self._output(line, part))
            for phrase in re.split(r"[;,] ", result.replace("`", "")):
                if not printed(phrase, said):
                    self.failed.append(
                        f"line {part.line}: `{line}` does not print {phrase!r}:\n{self.said[line][-1500:]}"
                    )


def lines_of(text: str) -> Iterator[str]:
    """The commands of a block, each on one line."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line.strip()


def in_process(words: list[str]) -> tuple[int, str]:
    """netc with these arguments: its exit code, and what it prints."""
    out = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    before = sys.argv, kernel_files.on_warning
    sys.argv = ["netc", *words]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            code = netc.cli._run()
    finally:
        sys.argv, kernel_files.on_warning = before
        _output.out.stderr = False
    return code, out.buffer.getvalue().decode("utf-8", "surrogateescape")  # type: ignore[attr-defined]


def differs(shown: str, said: str) -> str | None:
    """What a page shows that was not printed; `...` stands for anything, numbers are compared as `printed` does."""
    lines = [plain(line) for line in shown.splitlines() if line.strip() not in ("", "...")]
    rest = [plain(line) for line in said.splitlines()]
    for line in lines:
        at = next((i for i, each in enumerate(rest) if printed(line, each)), None)
        if at is None:
            return f"not printed: {line!r}, but\n{said[-1500:]}"
        rest = rest[at + 1 :]
    return None


def plain(text: str) -> str:
    """A text on one line, without the lines of tables."""
    return " ".join(re.sub("[\u2500-\u257f]", " ", text).split())


def printed(phrase: str, said: str) -> bool:
    """Whether words were printed, with numbers about those of the page; times, rates and shares of time may be any."""
    pieces = PIECE.split(phrase)
    pattern, numbers = "", list[float]()
    for i, piece in enumerate(pieces):
        if i % 2 == 0:
            pattern += re.escape(piece)
        elif piece == "...":
            pattern += ".*?"
        else:
            any_time = RATE.match(pieces[i + 1])
            pattern += NUMBER if any_time else f"({NUMBER})"
            numbers += [] if any_time else [float(piece.replace(",", ""))]
    for match in re.finditer(rf"(?<![\w.-]){pattern}(?![\w])" if phrase[:1].isalnum() else pattern, said):
        found = [float(text.replace(",", "")) for text in match.groups()]
        if all(abs(a - b) <= ABOUT * max(abs(a), abs(b)) for a, b in zip(numbers, found, strict=True)):
            return True
    return False
