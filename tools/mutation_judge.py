"""What netc says of a damaged net, and whether that is what it should say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from netc.catalogue import catalogue
from netc.errors import Diagnostic
from netc.language import read_text
from netc.lsp.analysis import analyse
from tools.mutation_kinds import Mutant, Net

SUFFIXES = (".prototxt", ".pt", ".net")


@dataclass(frozen=True)
class Judged:
    """One mistake and the errors that netc reported, in the order in which they are shown."""

    kind: str
    path: str
    mutant: Mutant
    errors: tuple[Diagnostic, ...]

    @property
    def exact(self) -> bool:
        """Whether the first error covers exactly the characters of the mistake."""
        span = self.errors[0].span if self.errors else None
        return span is not None and (span.start, span.end) == (self.mutant.start, self.mutant.end)

    @property
    def only(self) -> bool:
        """Whether nothing else was said to be wrong."""
        return self.exact and len(self.errors) == 1

    @property
    def named(self) -> bool | None:
        """Whether that error suggests what was meant, and nothing else; None if the mistake is no typo."""
        if self.mutant.meant is None:
            return None
        wanted = rf"did you mean (?:the layer's )?([`\"]?){re.escape(self.mutant.meant)}\1\?"
        return self.exact and re.match(wanted, self.errors[0].help or "") is not None

    @property
    def found(self) -> bool:
        """Whether there is nothing to do better."""
        return self.exact and self.named is not False

    @cached_property
    def line(self) -> int:
        return self.mutant.text.count("\n", 0, self.mutant.start) + 1

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}"


class Nets:
    """The nets of a folder in which nothing is wrong, each looked at when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = sorted(p for p in folder.rglob("*") if p.suffix in SUFFIXES and p.is_file())
        self.known: dict[Path, Net | None] = {}
        self.types = catalogue()

    def get(self, path: Path) -> Net | None:
        """The net of a file, if something can be planned and nothing is wrong."""
        if path not in self.known:
            analysis = analyse(read_text(path), str(path), self.types)
            sound = analysis.plans and not any(d.severity == "error" for d in analysis.diagnostics)
            self.known[path] = Net(str(path.relative_to(self.folder)), analysis) if sound else None
        return self.known[path]

    def judge(self, kind: str, net: Net, mutant: Mutant) -> Judged:
        """Check the damaged text of a net in the place of the sound one."""
        found = analyse(mutant.text, str(self.folder / net.path), self.types).diagnostics
        return Judged(kind, net.path, mutant, tuple(d for d in found if d.severity == "error"))
