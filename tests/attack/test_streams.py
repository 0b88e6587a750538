"""A short run of the campaign against streams: the worst conditions, with commands that print and some that write."""

from pathlib import Path

import pytest

from tools.attack import streams

PAIRS = [
    ("summary", "stdout full"),
    ("summary json", "no reader"),
    ("train", "all closed"),
    ("train metrics", "stdout full"),
    ("train metrics", "stdout closed"),
    ("train metrics", "no reader"),
    ("expand to", "stdout closed"),
    ("check bad", "ascii"),
    ("data check", "plain"),
    ("no such command", "stderr full"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("streams")
    streams.prepare(made)
    return made


@pytest.mark.parametrize(("command", "condition"), PAIRS)
def test_streams_that_are_lost(folder: Path, command: str, condition: str) -> None:
    assert streams.attack(folder, command, condition) == ""
