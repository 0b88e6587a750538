"""How much an expansion may do, and where it keeps what is wrong."""

from __future__ import annotations

from netc.errors import Code, Note, Report, Span
from netc.language import codes

MAX_LAYERS = 10_000
MAX_STEPS = 100_000
"""Statements, fields, list items, inputs, outputs and operands; see `Context.text`, too."""
STEPS_OF_A_LAYER = 5
CHARACTERS_OF_A_STEP = 64
MAX_STRING = 65_536
MAX_FILES = 200
MAX_NESTING = 60
MAX_MISTAKES = 20
_STEPS_OF_A_MISTAKE = 50  # looking for what was meant takes time, and a loop makes the same mistake in each turn


class Failed(Exception):  # noqa: N818
    """This statement or value cannot be made; why has been reported."""


class Stop(Exception):  # noqa: N818
    """A limit was passed or too much is wrong: expansion ends here."""


class Limits:
    """Counts what an expansion does and collects its diagnostics, each place and message once."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.steps = 0
        self.layers = 0
        self._said: set[tuple[str, int, int, str]] = set()

    def fail(
        self, code: Code, message: str, span: Span, help: str | None = None, notes: tuple[Note, ...] = ()
    ) -> Failed:
        """Report a mistake, unless a loop has met it before; too many end the expansion."""
        self.steps += _STEPS_OF_A_MISTAKE
        said = (code.id, id(span.source), span.start, message)
        if said not in self._said:
            self._said.add(said)
            self.report.error(code, message, span, help=help, notes=notes)
            if len(self._said) >= MAX_MISTAKES:
                raise Stop
        return Failed()

    def step(self, count: int) -> bool:
        """Count statements and fields carried out; whether these are still few enough."""
        self.steps += count
        return self.steps <= MAX_STEPS

    def stop(self, span: Span) -> Stop:
        """What is raised when there are too many, here."""
        if not self.report.failed:
            self.fail(codes.TOO_LARGE_EXPANSION, f"more than {MAX_STEPS:,} statements and fields are made here", span)
        return Stop()

    def layer(self, span: Span) -> None:
        """Count a layer."""
        if not self.step(STEPS_OF_A_LAYER):
            raise self.stop(span)
        self.layers += 1
        if self.layers > MAX_LAYERS:
            self.fail(codes.TOO_LARGE_EXPANSION, f"more than {MAX_LAYERS:,} layers are made here", span)
            raise Stop
