"""docs/language.md says what is so: its examples do what it says, its tables and claims are tried."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest

from netc.api.definition import schema_of, typed
from netc.api.planning import plan
from netc.api.vocabulary import LayerVocabulary
from netc.catalogue import catalogue
from netc.errors import NetError
from netc.language import builder, evaluate, expand, lexer, limits, parse, read, write
from netc.language.parse import MAX_CHARACTERS, MAX_TERMINALS, PLAIN_SUFFIXES
from netc.language.read import MAX_BYTES
from netc.language.tree import Block, Scalar
from tests.docs.pages import parts

PAGE = Path(__file__).parent.parent.parent / "docs" / "language.md"
TEXT = PAGE.read_text(encoding="utf-8")
SAID = re.sub(r"\s+", " ", TEXT)
BLOCKS = [part for part in parts(PAGE) if part.kind == "block"]
TYPES = catalogue()
LAYERS = LayerVocabulary(TYPES, schema_of(TYPES))


def expanded(text: str) -> str:
    return write(expand(parse(text, "doc.net"), LAYERS).block)


# Examples


def test_every_block_of_the_page_is_tried() -> None:
    kinds = ["net", "text", "net", "prototxt", "net", "python"]
    assert [part.info for part in BLOCKS] == [*kinds, "net", "text", "net", "python", "net", "net", "text"]


def test_the_searches(tmp_path: Path) -> None:
    """What varies in the examples, whose trials tests/docs runs."""
    for block, names in ((BLOCKS[6], ["base_lr", "width", "solver.momentum"]), (BLOCKS[8], ["block1/score.bias_term"])):
        definition = typed(parse(block.text, "doc.net"), tmp_path / "doc.net", TYPES)
        assert [vary.name for vary in definition.record.search.vary] == names


def test_the_first_example_is_a_net_in_every_phase() -> None:
    path = Path("doc.net")
    definition = typed(parse(BLOCKS[0].text, "doc.net"), path, TYPES)
    made = {phase: plan(definition, phase) for phase in ("TRAIN", "TEST")}
    assert {len(each.layers) for each in made.values()} == {9, 10}


def test_what_a_call_stands_for() -> None:
    assert expanded(BLOCKS[2].text) == BLOCKS[3].text


def derived(grammar: dict[str, list[str]], rule: str, random: Random, depth: int) -> str:
    """A text that the grammar of the page allows, with few items where it is deep."""

    def alternatives(tokens: list[str]) -> str:
        options, current, level = [], list[str](), 0
        for token in tokens:
            level += (token == "(") - (token == ")")
            if token == "|" and not level:
                options.append(current)
                current = []
            else:
                current.append(token)
        options.append(current)
        return sequence(min(options, key=len) if depth > 8 else random.choice(options))

    def sequence(tokens: list[str]) -> str:
        made, i = [], 0
        while i < len(tokens):
            end = i
            if tokens[i] == "(":
                level = 0
                while True:
                    level += (tokens[end] == "(") - (tokens[end] == ")")
                    if not level:
                        break
                    end += 1
            unit, after = tokens[i : end + 1], tokens[end + 1 : end + 2]
            times = {"?": random.randint(0, 1), "*": random.randint(0, 0 if depth > 8 else 2)}.get(
                (after or [""])[0], 1
            )
            for _ in range(times):
                made.append(alternatives(unit[1:-1]) if len(unit) > 1 else single(unit[0]))
            i = end + 1 + (after in (["?"], ["*"]))
        return " ".join(made)

    def single(token: str) -> str:
        if token.startswith('"'):
            return token[1:-1]
        fixed = {"NAME": ["a", "b_2", "relu"], "NUMBER": ["12", "1.5e-3", "0x1F"], "STRING": ['"s"', "'t'"]}
        return random.choice(fixed[token]) if token in fixed else derived(grammar, token, random, depth + 1)

    return alternatives(grammar[rule])


def codes_of(text: str) -> set[str]:
    """What is wrong with a text before it is expanded."""
    try:
        parse(text, "doc.net")
    except NetError as error:
        return {each.code.id for each in error.diagnostics}
    return set()


def test_the_grammar_is_the_one_that_is_read() -> None:
    """Texts drawn from the grammar of the page are read; what may not stand somewhere has a table of its own."""
    grammar: dict[str, list[str]] = {}
    operators = 'NAME "+" NUMBER | "not" NAME | NAME "[" expr "]"'
    text = BLOCKS[1].text.replace("what the operators below make of these", operators)
    for name, body in re.findall(r"^(\w+) +: (.*(?:\n +.*)*)", text, re.M):
        grammar[name] = re.findall(r'"[^"]*"|\w+|[()*?|]', re.sub(r" {8,}then an optional.*", "", body))
    assert len(grammar) == 17
    quoted = {token[1:-1] for body in grammar.values() for token in body if token[0] == '"' and token[1].isalpha()}
    assert set(lexer.KEYWORDS) - {"and", "or"} <= quoted
    random = Random(0)
    for _ in range(400):
        text = derived(grammar, "item", random, 0)
        assert codes_of(text) <= {"SYN041", "SYN046"}, text


def test_the_solver_block(tmp_path: Path) -> None:
    path = tmp_path / "doc.net"
    path.write_text(BLOCKS[4].text)
    record = typed(read(path), path, TYPES).record
    assert record.solver.max_iter == 84


def test_the_diagnostic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for part in BLOCKS[10:12]:
        Path(part.marks["file"]).write_text(part.text)
    with pytest.raises(NetError) as raised:
        typed(read("digits.net"), Path("digits.net"), TYPES)
    assert f"{raised.value}\n" == BLOCKS[12].text


# Tables


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading or a line, without its head."""
    part = TEXT[TEXT.index(heading) :]
    lines = part[part.index("|---") :].split("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines]


def test_limits() -> None:
    assert [(what.split(" (")[0], int(count.replace(",", ""))) for what, count in rows("## Limits")] == [
        ("blocks in blocks", builder.MAX_DEPTH),
        ("bodies, loops and calls in one another", limits.MAX_NESTING),
        ("operators in one another", builder.MAX_OPERATORS),
        ("layers", limits.MAX_LAYERS),
        ("statements, fields, list items, inputs, outputs and operands carried out", limits.MAX_STEPS),
        ("characters of a computed string", limits.MAX_STRING),
        ("imported files", limits.MAX_FILES),
    ]
    assert f"{MAX_BYTES >> 20} MB and {MAX_TERMINALS:,} names, numbers and signs" in SAID
    assert MAX_BYTES == MAX_CHARACTERS


def test_words() -> None:
    assert f"(`{' '.join(lexer.KEYWORDS)}`)" in SAID
    functions = ", ".join(f"`{name}`" for name in ("min", "max", "abs", "floor", "ceil", "round"))
    assert f"Functions: {functions} (half to even), `len`, the ranges `between(a, b)` and `log(a, b)`" in SAID
    known = {"min", "max", "abs", "floor", "ceil", "round", "len", "read", "number", "between", "log"}
    assert set(evaluate.FUNCTIONS) == known
    assert set(PLAIN_SUFFIXES) == {".prototxt", ".pt", ".pbtxt"}


PLACES = {
    "file": ["%s"],
    "body of a def or a phase block": ["def f(e) -> y { y = ReLU(e) %s }\nb = f(c)", "train { %s }"],
    "body of a for or an if": ["for i in 1..2 { %s }", "if true { %s }", "train { if true { %s } }"],
    "body of a call, of a field, of a let": ["b = ReLU(c) { %s }", "x { %s }", "let q = { %s }"],
}
COLUMNS = {
    "fields": ["n: 1", "n { m: 1 }"],
    "let, for, if": ["let z = 1", "for j in 1..1 { }", "if false { }"],
    "calls, assignments": ["d = ReLU(e)", "Silence(e)", "d = e"],
    "def, import": ["def g(x) -> y { y = ReLU(x) }", 'import "other.net"'],
    "phase blocks": ["train { d = ReLU(e) }"],
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("column", list(COLUMNS))
def test_what_may_stand_where(place: str, column: str, tmp_path: Path) -> None:
    table = {row[0]: dict(zip(COLUMNS, row[1:], strict=True)) for row in rows("What may stand where:")}
    said = table[place][column]
    (tmp_path / "other.net").write_text("let other = 1")
    for pattern in PLACES[place]:
        for statement in COLUMNS[column]:
            if place.startswith("body of a for") and said.startswith("as around"):
                refused = pattern.startswith("train") and column == "fields"
            else:
                refused = said != "yes"
            text = pattern % statement
            try:
                expand(parse(text, str(tmp_path / "doc.net")), LAYERS)
                codes = set[str]()
            except NetError as error:
                codes = {each.code.id for each in error.diagnostics}
            assert codes <= {"SYN041", "SYN006"}, text
            assert bool(codes) == refused, text


def test_layers_may_stand_in_composites_and_phase_blocks() -> None:
    layer = 'layer { name: "l" type: "ReLU" bottom: "c" top: "l" }'
    for pattern in PLACES["body of a def or a phase block"]:
        assert 'name: "l"' in expanded(pattern % layer)


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [("n: 1", False), ("let z = 1", True), ("for i in 1..1 { }", False), ("if false { }", False),
     ("d = ReLU(e)", False), ("def g(x) -> y { y = ReLU(x) }", True), ('import "third.net"', True),
     ("train { }", False)],
)  # fmt: skip
def test_what_an_imported_file_may_hold(statement: str, allowed: bool, tmp_path: Path) -> None:
    (tmp_path / "third.net").write_text("let third = 1")
    (tmp_path / "other.net").write_text(statement)
    (tmp_path / "doc.net").write_text('import "other.net"')
    if allowed:
        expand(read(tmp_path / "doc.net"), LAYERS)
        return
    with pytest.raises(NetError) as raised:
        expand(read(tmp_path / "doc.net"), LAYERS)
    assert {each.code.id for each in raised.value.diagnostics} == {"SYN041"}


def test_layers_of_phases() -> None:
    table = rows("| layers of | get |")
    deploy = "deploy { other = Input() }\n"
    for phases, rules in table:
        names = re.findall(r"`(\w+)`", phases) or ["train", "test", "deploy"]
        made = outcome(deploy + f"{', '.join(names)} {{ d = DummyData() }}").split(" | ")[1]
        found = re.findall(r"include \{ .*? \}", made)
        written = re.findall(r"include \{ .*?\}", rules)
        if phases == "`test`":
            written = ['include { phase: TEST not_stage: "deploy" }']
            assert "include" in outcome("test { d = DummyData() }")
        if phases == "`train`, `test`":
            assert "include" not in outcome("train, test { d = DummyData() }")
        assert found == written, phases


# Claims: words of the page, a text, and what comes of it

CLAIMS = (Path(__file__).parent / "fixtures" / "claims.txt").read_text(encoding="utf-8").split("\n\n")


def layer(block: Block) -> str:
    """A layer on one line: `name: Type(bottoms) -> tops`, and the rest of its fields."""
    held = {name: [f.value.text for f in block.fields if f.name == name and isinstance(f.value, Scalar)]
            for name in ("name", "type", "bottom", "top")}  # fmt: skip
    rest = tuple(field for field in block.fields if field.name not in held)
    shown = f" {{ {' '.join(write(Block(rest, block.span)).split())} }}" if rest else ""
    tops = f" -> {', '.join(held['top'])}" if held["top"] else ""
    return f"{held['name'][0]}: {held['type'][0]}({', '.join(held['bottom'])}){tops}{shown}"


def outcome(text: str) -> str:
    """What a text expands to, a line for each layer; or the codes of what is wrong with it."""
    try:
        block = expand(parse(text, "doc.net"), LAYERS).block
    except NetError as error:
        return " ".join(sorted({each.code.id for each in error.diagnostics}))
    lines = []
    for field in block.fields:
        made = write(Block((field,), field.span))
        lines.append(layer(field.value) if isinstance(field.value, Block) and field.name == "layer" else made)
    return " | ".join(" ".join(line.split()) for line in lines)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.splitlines()[0])
def test_claims(claim: str) -> None:
    words, *text, made = claim.strip().splitlines()
    assert words in SAID
    assert outcome("\n".join(text)) == made.removeprefix("=> ")
