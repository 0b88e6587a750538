"""What readers hold against files that say more than is true: a budget, and one net for libraries' exceptions.

A file may be damaged, or made to do harm. Sizes that it declares are compared with what it has before memory is taken;
what is packed may unpack to so many times the file's size and no more; and a library that meets bytes that nobody
expected raises anything at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from netc.errors import Refusal

ROOM = 1 << 26
"""Bytes that the content of any file may take, however small the file is."""

RATIO = 100
"""Bytes, besides, for each byte of the file. What people store packs 2 to 50 times; a bomb does 1000 times and more."""

TOO_MUCH = "it needs more memory than there is"


def budget(size: int) -> int:
    """Bytes that a file of so many may unpack to: what is more is refused as a bomb."""
    return ROOM + RATIO * size


def bomb(declared: int, size: int) -> str:
    """Why a file of `size` bytes is refused that unpacks, or says it does, to `declared`."""
    return f"it has {size:,} bytes and unpacks to {declared:,}; from such a file at most {budget(size):,} are taken"


@contextmanager
def library(refuse: Callable[[str], Exception]) -> Iterator[None]:
    """Within `with`, whatever a library raises is raised as `refuse(reason)`; what netc raises itself passes."""
    try:
        yield
    except Refusal:
        raise
    except MemoryError:
        raise refuse(TOO_MUCH) from None
    except Exception as error:  # damaged bytes make libraries raise anything: SyntaxError, struct.error, KeyError...
        raise refuse(reason_of(error)) from None


def reason_of(error: BaseException) -> str:
    """What an exception says, on one line of bearable length; its name if it says nothing."""
    words = " ".join((getattr(error, "strerror", None) or str(error)).split(" <")[0].split())
    text = words if len(words) <= 200 else words[:197] + "..."
    return text.rstrip(".") or type(error).__name__
