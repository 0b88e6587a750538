"""What fields may name: `netc explain` and the editor list what there is, and no text repeats it."""

from __future__ import annotations

import pytest

from netc.api.choices import CHOICES, choices, described
from netc.api.definition import schema_of
from netc.catalogue import catalogue
from netc.kernels.fillers import FILLERS
from netc.report.explain import field_page
from netc.schema.declare import Field
from netc.solve.policies import POLICIES
from netc.solve.rules import rules

SCHEMA = schema_of(catalogue())
OF_THE_FILE = {"blob", "layer"}  # what these name stands in the net itself
NAMING = [
    field.declaration
    for message in map(SCHEMA.message, SCHEMA.messages)
    for field in message.fields.values()
    if field.declaration.names and field.declaration.names not in OF_THE_FILE
]


def test_every_kind_is_named_by_some_field() -> None:
    assert {field.names for field in NAMING} == set(CHOICES)


@pytest.mark.parametrize("field", NAMING, ids=lambda field: field.name)
def test_every_choice_has_a_meaning_and_no_text_lists_them(field: Field) -> None:
    found = choices(field)
    assert all(found.values())
    words = set(field.doc.replace(",", " ").replace(".", " ").split())
    assert not words & set(found), "the doc lists by hand what is listed anyway"
    assert field.default is None or field.default in found


@pytest.mark.parametrize(
    ("name", "known"), [("type", [*rules(), *FILLERS]), ("lr_policy", POLICIES), ("regularization_type", ["L1L2"])]
)
def test_pages_of_fields_list_what_there_is(name: str, known: list[str]) -> None:
    page = field_page(name, SCHEMA, described)
    assert page is not None
    assert [one for one in known if f"\n  - `{one}`: " not in page] == []
