"""`pytest --update` writes the expected files of text fixtures anew instead of comparing with them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.attack._threads import all_threads


def pytest_configure() -> None:
    """A shell's background jobs ignore Ctrl-C, and so would each process that a test starts and interrupts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def threads_for_small_nets() -> Iterator[None]:
    """The nets of tests are small, and use all threads that they are given all the same."""
    with all_threads():
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="rewrite the expected files of text fixtures")


@pytest.fixture
def expected(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Hold a text to the content of a file beside the test, or write it there with `--update`."""

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--update"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
            return
        assert path.read_bytes().decode("utf-8", "surrogateescape") == text

    return compare
