"""Seeded mistakes: the places are those of the damage, the judge is strict, and gallery nets' mistakes are found."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from netc import language
from netc.api.definition import expanded
from netc.catalogue import catalogue
from netc.errors import Code, Diagnostic, Span
from tests.nets.views import NETS
from tools.mutation_judge import Nets
from tools.mutation_kinds import KINDS, Mutant, Net
from tools.mutation_page import good_enough, page, table
from tools.mutations import mistakes

TYPOS = [kind for kind in KINDS if kind.endswith("mistyped")]
WRONG = Code("TST901", "a code for this test", "why")


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Nets:
    folder = tmp_path_factory.mktemp("nets")
    for name in ("digits", "lenet", "resnet18", "googlenet"):
        text = language.write(expanded(language.read(NETS / f"{name}.net"), catalogue()).block)
        (folder / f"{name}.prototxt").write_text(text)
    return Nets(folder)


def made(nets: Nets, kind: str) -> list[tuple[Net, Mutant]]:
    rng = random.Random(5)
    found = (net for path in nets.paths if (net := nets.get(path)) is not None)
    return [(net, mutant) for net in found for _ in range(5) if (mutant := KINDS[kind].make(net, rng)) is not None]


@pytest.mark.parametrize("kind", TYPOS)
def test_a_typo_stands_where_it_is_said_to_stand(nets: Nets, kind: str) -> None:
    for net, mutant in made(nets, kind):
        written = mutant.text[mutant.start : mutant.end]
        assert mutant.meant is not None
        as_meant = written[0] + mutant.meant + written[-1] if written[0] in "\"'" else mutant.meant
        assert mutant.text[: mutant.start] + as_meant + mutant.text[mutant.end :] == net.text
        assert written != as_meant


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_changes_the_text_and_covers_something(nets: Nets, kind: str) -> None:
    mutants = made(nets, kind)
    if kind not in ("axis out of range", "concatenation of unlike images"):
        assert mutants
    for net, mutant in mutants:
        assert mutant.text != net.text
        assert 0 <= mutant.start < mutant.end <= len(mutant.text)


def test_the_judge_wants_the_first_error_the_exact_span_and_one_name(nets: Nets) -> None:
    net, mutant = made(nets, "field name mistyped")[0]
    judged = nets.judge("field name mistyped", net, mutant)
    (said,) = judged.errors
    assert judged.exact
    assert judged.only
    assert judged.named
    assert said.span is not None
    wider = replace(said, span=Span(said.span.source, said.span.start, said.span.end + 1))
    other = Diagnostic(WRONG, "something else", None)
    assert not replace(judged, errors=()).exact
    assert not replace(judged, errors=(wider,)).exact
    assert not replace(judged, errors=(other, said)).exact
    assert not replace(judged, errors=(said, other)).only
    for help in (None, f"did you mean `{mutant.meant}x`?", f"did you mean `x` or `{mutant.meant}`?", mutant.meant):
        assert replace(judged, errors=(replace(said, help=help),)).named is False


def test_the_same_seed_makes_the_same_mistakes_and_nearly_all_are_found(nets: Nets) -> None:
    judged = list(mistakes(nets, 2, 60))
    assert [each.mutant for each in mistakes(nets, 2, 20)] == [each.mutant for each in mistakes(nets, 2, 20)]
    assert [each.mutant.what for each in judged if not each.found] == []
    assert good_enough(judged)
    assert not good_enough([replace(each, errors=()) for each in judged])
    assert len(table(judged)) == 3 + len({each.kind for each in judged})
    text = page(nets, {2: judged})
    assert "| **all** |" in text
    assert str(nets.folder) not in text


def test_a_file_that_is_no_sound_net_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.prototxt").write_text("layer { type: 'Nothing' }")
    (tmp_path / "b.txt").write_text("no net")
    nets = Nets(tmp_path)
    assert [nets.get(path) for path in nets.paths] == [None]
