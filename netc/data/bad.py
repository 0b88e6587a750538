"""How a reader says that one record is bad, where the others may be fine."""

from __future__ import annotations

from netc.errors import Refusal


class BadRecordError(Refusal):
    """A record that cannot be used; the message says why, without naming it, `help` what to write, if that helps."""

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.help = help
