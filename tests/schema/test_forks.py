"""What forks of Caffe add to its messages: netc has it, ignores it with a warning, or says whose it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from netc.catalogue import catalogue
from netc.schema.forks import FORK_FIELDS, FORK_VALUES
from netc.schema.ignored import IGNORED_FIELDS
from netc.schema.registry import base_schema

LINES = (Path(__file__).parent / "fixtures/fork_fields.txt").read_text().splitlines()
FIELDS = [
    (fork, message, name) for fork, message, *names in (x.split() for x in LINES if x[0] != "%") for name in names
]
TYPES = catalogue()
SCHEMA = base_schema().extended(TYPES.messages, TYPES.layer_fields)
OWNERS: dict[tuple[str, str], set[str]] = {}
for fork, message, name in FIELDS:
    OWNERS.setdefault((message, name), set()).add(fork)


def whose(message: str, name: str) -> str:
    """What is said of a field or value of a fork; nothing where netc has it."""
    if "=" in name:
        enum, _, value = name.partition("=")
        known = SCHEMA.enum(f"{message}.{enum}").values
        return "" if value in known else FORK_VALUES.get((f"{message}.{enum}", value), "nobody's")
    if name in SCHEMA.message(message).fields:
        return ""
    return FORK_FIELDS.get((message, name)) or IGNORED_FIELDS.get((message, name), "nobody's")


@pytest.mark.parametrize(("message", "name"), sorted(OWNERS))
def test_a_field_of_a_fork_is_there_or_names_its_fork(message: str, name: str) -> None:
    said = whose(message, name)
    assert not said or any(fork in said for fork in OWNERS[message, name]), said
