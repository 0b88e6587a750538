"""Texts from small nets whose Text layer says what tokens mean: samples, searches, probabilities and judgements."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from netc.api.definition import loads
from netc.api.deploy import deploy
from netc.api.generation.generator import Generated, Generator
from netc.api.generation.judging import Judged, judge
from netc.api.session import Net
from netc.errors import NetError
from tests.api.generation.test_decoder import randomized


def language_model(folder: Path, generate: str, unit: str = "CHAR") -> str:
    (folder / "a.txt").write_text("ab ba\nabba b\n")
    return f"""
let text = "{folder}/a.txt"
train, test {{ x, cont, next = Text() {{ source: text unit: {unit} steps: 4 batch_size: 2 }} }}
deploy {{ x = Input() {{ shape {{ dim: [1, 1] }} }} cont = Input() {{ shape {{ dim: [1, 1] }} }} }}
e = Embed(x) {{ input_dim: 8 num_output: 4 }}
h = LSTM(e, cont) {{ num_output: 6 }}
score = InnerProduct(h) {{ axis: 2 num_output: 8 }}
loss = SoftmaxWithLoss(score, next) {{ softmax_param {{ axis: 2 }} }}
deploy {{ prob = Softmax(score) {{ axis: 2 }} generate {{ from: prob into: x {generate} }} }}
"""


def translator(folder: Path, generate: str = "method: BEAM width: 3 most: 4") -> str:
    (folder / "p.txt").write_text("a b\tx y\nb\ty\na a b\tx x y\n")
    return f"""
let pairs = "{folder}/p.txt"
train, test {{ source, mask, x, target, cont = Text() {{
  source: pairs form: PAIRS unit: WORD source_steps: 5 steps: 5 batch_size: 2
}} }}
deploy {{
  source = Input() {{ shape {{ dim: [5, 1] }} }} mask = Input() {{ shape {{ dim: [5, 1] }} }}
  x = Input() {{ shape {{ dim: [1, 1] }} }} cont = Input() {{ shape {{ dim: [1, 1] }} }}
}}
s = Embed(source) {{ input_dim: 6 num_output: 4 }}
s = LSTM(s, mask) as encoder {{ num_output: 6 }}
k = Permute(s) {{ order: [1, 0, 2] }}
m = Permute(mask) {{ order: [1, 0] }}
e = Embed(x) {{ input_dim: 6 num_output: 4 }}
d = LSTM(e, cont) as decoder {{ num_output: 6 }}
q = Permute(d) {{ order: [1, 0, 2] }}
a = Attention(q, k, k, m)
a = Permute(a) as attended {{ order: [1, 0, 2] }}
h = Concat(d, a) {{ axis: 2 }}
score = InnerProduct(h) {{ axis: 2 num_output: 6 }}
loss = SoftmaxWithLoss(score, target) {{ softmax_param {{ axis: 2 }} loss_param {{ ignore_label: 0 }} }}
deploy {{ prob = Softmax(score) {{ axis: 2 }} generate {{ from: prob into: x {generate} }} }}
"""


def made(text: str, **changes: object) -> Generator:
    definition = loads(text, "a.net")
    net = Net(deploy(definition).definition, "TEST", executor="reference")
    randomized(net, 5)
    return Generator(definition, net, changes=changes, executor="reference")


def is_plain(found: Generated) -> bool:
    """Whether the text says which tokens it was made of: none of the special ones."""
    return min(found.tokens, default=4) >= 4


def test_a_sample_depends_on_its_seed_and_number_only(tmp_path: Path) -> None:
    generator = made(language_model(tmp_path, "most: 12"))
    one, five, other = (generator.texts("ab", count=c, seed=s) for c, s in ((1, 0), (5, 0), (5, 1)))
    assert one[0].tokens == five[0].tokens
    assert len({each.tokens for each in five}) > 1
    assert [each.tokens for each in five] != [each.tokens for each in other]
    assert five == generator.texts("ab", count=5, seed=0)


def test_samples_are_as_likely_as_the_net_says(tmp_path: Path) -> None:
    generator = made(language_model(tmp_path, "most: 2 temperature: 1"))
    found = generator.texts("a", count=1000, seed=2)
    for each in (e for e in found[:100] if is_plain(e)):
        assert each.log_p == pytest.approx(generator.log_p(each.text, "a").log_p, rel=1e-4)
    shares = {tokens: sum(e.tokens == tokens for e in found) / 1000 for tokens in {e.tokens for e in found}}
    for tokens, share in shares.items():
        p = math.exp(next(e.log_p for e in found if e.tokens == tokens))
        assert share == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / 1000) + 1e-3)


@pytest.mark.parametrize("unit", ["CHAR", "WORD"])
def test_what_a_text_starts_with(tmp_path: Path, unit: str) -> None:
    """Nothing: after the end of a line; a `start` of the block goes before any text."""
    plain = made(language_model(tmp_path, "most: 6", unit))
    assert plain.tokens is not None
    end = plain.tokens.number("\n" if unit == "CHAR" else "</s>")
    assert plain.texts("") == plain.numbers([end])
    started = made(language_model(tmp_path, r'most: 6 start: "ab"', "WORD"))
    assert started.tokens is not None
    assert started.texts("ba") == started.numbers([started.tokens.number("ab"), started.tokens.number("ba")])


def test_a_stop_ends_a_text(tmp_path: Path) -> None:
    generator = made(language_model(tmp_path, r'most: 30 stop: "\n"'))
    found = generator.texts("a", count=20, seed=1)
    assert any(each.ended for each in found)
    for each in found:
        assert "\n" not in each.text
        assert each.ended or len(each.tokens) == 30


def test_the_search_ranks_by_what_it_says(tmp_path: Path) -> None:
    generator = made(translator(tmp_path, "method: BEAM width: 8 most: 4 length_penalty: 0.7"))
    found = generator.texts("a b")
    scores = [each.score for each in found]
    assert scores == sorted(scores, reverse=True)
    for each in found:
        length = len(each.tokens) + each.ended
        assert each.score == pytest.approx(each.log_p / length**0.7)
        if each.ended and is_plain(each):
            assert generator.log_p(each.text, "a b").log_p == pytest.approx(each.log_p, rel=1e-4)


def test_the_method_may_be_changed(tmp_path: Path) -> None:
    text = translator(tmp_path, "method: BEAM width: 3 length_penalty: 0.5 most: 4")
    assert made(text, method="SAMPLE", temperature=0.0).texts("b")[0].tokens == made(text, width=1).texts("b")[0].tokens


def test_a_narrow_beam_may_miss_what_the_net_finds_better(tmp_path: Path) -> None:
    """Search errors are told from model errors by the probability of the reference."""
    text = translator(tmp_path)
    wide, narrow, seen = made(text, width=500), made(text, width=1), set[str]()
    for source in ("", "a", "b", "a b", "b a", "a a b", "b b"):
        found = narrow.texts(source)[0]
        for other in filter(is_plain, filter(lambda each: each.ended, wide.texts(source))):
            judged = judge(narrow, source, found, other.text)
            if found.tokens == other.tokens:
                assert (judged.right, judged.bleu.found) == (1, judged.bleu.total)
                continue
            missed = other.log_p > found.log_p
            assert (judged.search_errors, judged.model_errors) == (int(missed), int(not missed))
            seen.add("search" if missed else "model")
    assert seen == {"search", "model"}


def test_judgements_add_up() -> None:
    one, two = Judged(2, 1, 1, 0), Judged(3, 2, 0, 1)
    assert one.plus(two) == Judged(5, 3, 1, 1)


def test_the_net_of_now_generates(tmp_path: Path) -> None:
    definition = loads(language_model(tmp_path, "most: 8 temperature: 0"), "a.net")
    net = Net(definition, "TEST", stages=["deploy"], executor="reference")
    first = net.generate("ab")
    for blobs in net.params.values():
        for blob in blobs:
            blob[...] = np.random.default_rng(1).normal(size=blob.shape)
    assert net.generate("ab") != first
    assert len(net.generate("ab", count=3, changes={"temperature": 1.0})) == 3


@pytest.mark.parametrize(
    ("generate", "said"),
    [
        ("temperature: -1", "temperature: -1"),
        ("top_p: 0", "top_p: 0"),
        ("top_p: 1.5", "top_p: 1.5"),
        ("most: 0", "most: 0"),
        ("method: BEAM width: 0", "width: 0"),
        ("method: BEAM width: 2000", "width: 2000"),
        ("method: BEAM length_penalty: -1", "length_penalty: -1"),
        ("method: BEAM temperature: 1", "temperature is for method: SAMPLE"),
        ("width: 3", "width is for method: BEAM"),
    ],
)
def test_values_that_make_no_sense(tmp_path: Path, generate: str, said: str) -> None:
    with pytest.raises(NetError) as raised:
        made(language_model(tmp_path, generate))
    (found,) = raised.value.diagnostics
    assert found.code.id == "RUN111"
    assert found.message.startswith(said)
    assert found.span is not None
    assert found.span.source.text[found.span.start : found.span.end] == generate.rsplit(" ", 1)[1]


def codes(generator: Generator, text: str) -> list[str]:
    with pytest.raises(NetError) as raised:
        generator.texts(text)
    return [d.code.id for d in raised.value.diagnostics]


def test_texts_that_cannot_be_read(tmp_path: Path) -> None:
    assert codes(made(translator(tmp_path)), "a a a a a") == ["DAT022"]
    (tmp_path / "few.vocab").write_text("a\nb\n\\n\n")
    text = language_model(tmp_path, "most: 3").replace("unit: CHAR", f'vocabulary: "{tmp_path}/few.vocab"')
    assert codes(made(text), "abc") == ["DAT022"]
    (tmp_path / "known.vocab").write_text("a\nb\n\\n\n\\s\n")
    text = language_model(tmp_path, 'most: 3 stop: "#"').replace("unit: CHAR", f'vocabulary: "{tmp_path}/known.vocab"')
    assert codes(made(text), "ab") == ["DAT022"]


def test_without_a_text_layer_numbers_are_left(tmp_path: Path) -> None:
    bare = language_model(tmp_path, "most: 5")
    kept = [line for line in bare.splitlines() if not line.startswith(("train, test", "loss"))]
    bare = "\n".join(line.removeprefix("deploy {").removesuffix("}") if "deploy" in line else line for line in kept)
    generator = made(bare)
    assert codes(generator, "ab") == ["RUN112"]
    assert len(generator.numbers([4, 5])[0].tokens) == 5


def test_a_net_without_the_block(tmp_path: Path) -> None:
    text = language_model(tmp_path, "").replace("generate { from: prob into: x  }", "")
    with pytest.raises(NetError) as raised:
        made(text)
    assert [d.code.id for d in raised.value.diagnostics] == ["RUN110"]
