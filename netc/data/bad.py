"""How a reader says that one record is bad, where the others may be fine."""

from netc.errors import Refusal


class BadRecordError(Refusal):
    """A record that cannot be used; the message says why, without naming it."""
