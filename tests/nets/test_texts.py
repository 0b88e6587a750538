"""The texts of the systems that are made by a rule are what the rule makes, and their vocabularies are theirs."""

from __future__ import annotations

import pytest

from tests.nets.views import NETS
from tools.texts import TEXTS, text_of, words_of

FOLDER = NETS / "systems" / "texts"


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_what_its_rule_makes(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == text_of(name)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (19, "nineteen"),
        (40, "forty"),
        (582, "five hundred eighty two"),
        (1000, "one thousand"),
        (99_999, "ninety nine thousand nine hundred ninety nine"),
    ],
)
def test_numbers_in_words(number: int, words: str) -> None:
    assert words_of(number) == words
