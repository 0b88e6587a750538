"""Seeded mistakes are found where they are, and typos are recognised: the floor under docs/diagnostics/mutations.md."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tools.mutation_judge import Judged, Nets
from tools.mutation_kinds import KINDS, typo
from tools.mutation_page import good_enough, table
from tools.mutations import mistakes

HERE = Path(__file__).parent / "nets"
GALLERY = Path(__file__).parent.parent.parent / "nets"


@pytest.fixture(scope="module")
def judged() -> list[Judged]:
    return list(mistakes(Nets(HERE), 1, 300))


def test_most_mistakes_have_the_exact_span(judged: list[Judged]) -> None:
    assert {each.kind for each in judged} == set(KINDS)
    assert len(judged) == 300
    assert good_enough(judged), "\n".join(table(judged))


def test_little_else_is_said(judged: list[Judged]) -> None:
    assert sum(each.only for each in judged) >= 0.93 * len(judged), "\n".join(table(judged))


def test_mistakes_in_statements() -> None:
    found = list(mistakes(Nets(GALLERY), 1, 60))
    wrong = [each for each in found if not each.exact and each.kind != "value of a wrong type"]
    assert len(wrong) <= 0.1 * len(found), [each.mutant.what for each in wrong]


def test_the_same_seed_gives_the_same_mistakes() -> None:
    first, second = (list(mistakes(Nets(HERE), 5, 20)) for _ in range(2))
    assert [(each.path, each.mutant) for each in first] == [(each.path, each.mutant) for each in second]


def test_typos_differ_by_a_slip() -> None:
    rng = random.Random(0)
    made = {typo("kernel_size", rng) for _ in range(200)}
    assert len(made) > 30
    assert all(abs(len(word) - len("kernel_size")) <= 1 for word in made)
