"""The documentation says what is so: blocks and tables of commands are run, names exist, numbers are held by something.

How a page says what its blocks are: CONTRIBUTING.md, "Documentation".
"""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.docs.after import AFTER
from tests.docs.claims import CLAIMS, Measured, Whose
from tests.docs.names import foreign, unknown, unknown_in_command
from tests.docs.pages import PAGES, ROOT, Part, parts
from tests.docs.running import Reader, lines_of

IDS = [str(path.relative_to(ROOT)) for path in PAGES]
NUMBER = re.compile(r"(?<![\w.-])\d(?:[\d,.]*\d)?")
COMMIT = re.compile(r"[0-9a-f]{7}\b|each row says when$")
COMMAND = re.compile(r"^`(?:netc|python -m|make) [^`]*`$")
every_page = pytest.mark.parametrize("page", PAGES, ids=IDS)


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """In a folder with the gallery and the examples, as in a clone of the project, and without settings."""
    for name in ("nets", "docs/examples"):
        shutil.copytree(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    for name in ("NETC_THREADS", "NETC_PRECISION", "NETC_FEATURES", "NETC_BF16", "NETC_ALLOW_PYTHON"):
        monkeypatch.delenv(name, raising=False)
    return Reader(tmp_path)


def text_of(page: list[Part]) -> str:
    """What the blocks of a page hold, and the tests that it says it is held by: names may come from there."""
    held = {path for part in page for path, _ in held_by(part)}
    shown = [f"{part.text} {' '.join(part.marks.values())}" for part in page if part.kind == "block" or part.marks]
    return "\n".join([*shown, *((ROOT / path).read_text(encoding="utf-8") for path in sorted(held))])


def held_by(part: Part) -> Iterator[tuple[str, str]]:
    """The files, and the tests in them, that a part is held by."""
    for each in part.marks.get("held by", "").split(", "):
        path, _, name = each.partition("::")
        if path:
            yield path, name


@cache
def functions_of(path: str) -> frozenset[str]:
    """The names of the tests in a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def measured(page: list[Part], part: Part) -> bool:
    """Whether a part's numbers are of another time and machine, which it or a heading above it says."""
    above = [p for p in page if p.kind == "heading" and part.section[: len(p.section)] == p.section]
    return any("measured" in each.marks for each in (part, *above))


@every_page
def test_what_is_shown_happens(page: Path, reader: Reader) -> None:
    for part in parts(page):
        reader.read(part)
    assert not reader.failed, "\n\n".join(reader.failed)
    if check := AFTER.get(str(page.relative_to(ROOT))):
        check(reader.folder)


@every_page
def test_code_stands_in_fences_and_tables_of_commands_are_run(page: Path) -> None:
    whole = parts(page)
    for part in whole:
        place = f"{page.name}:{part.line}"
        assert part.kind != "prose" or not re.match(" {4}", part.text), f"{place}: code without a fence"
        if part.kind == "table" and any(COMMAND.match(row[0]) for row in part.rows()[1:]):
            says_what_it_does = part.rows()[0][1] == "what it does"
            done = {"run", "not run"} & part.marks.keys() or measured(whole, part) or says_what_it_does
            assert done, f"{place}: commands that are neither run nor marked"
        for path, name in held_by(part):
            assert (ROOT / path).is_file(), f"{place}: {path} is not there"
            assert not name or name in functions_of(path), f"{place}: no {name} in {path}"
        if "measured" in part.marks:
            assert COMMIT.match(part.marks["measured"]), f"{place}: measured at which commit?"
        for key in ("not run", "shortened"):
            assert part.marks.get(key, key), f"{place}: `{key}` without a reason"


@every_page
def test_names_are_there(page: Path) -> None:
    whole = parts(page)
    text = text_of(whole)
    found = [(part.line, said, name) for part in whole for said in part.inline() for name in unknown(said, text, page)]
    lines = [(part.line, line) for part in whole if part.info == "sh" for line in lines_of(part.text)]
    found += [(at, line, name) for at, line in lines for name in unknown_in_command(line)]
    assert not found, "\n".join(f"{page.name}:{line}: `{said}`: what is {name}?" for line, said, name in found)


@every_page
def test_numbers_are_held(page: Path) -> None:
    loose = loose_numbers(page, CLAIMS.get(str(page.relative_to(ROOT)), {}))
    assert not loose, "numbers that nothing holds (tests/docs/claims.py):\n" + "\n".join(loose)


def loose_numbers(page: Path, claims: Iterable[str]) -> list[str]:
    """Numbers in the text of a page that stand in no claim, and where."""
    whole = parts(page)
    loose: list[str] = []
    for part in whole:
        if part.kind not in ("prose", "table") or measured(whole, part) or {"run", "held by"} & part.marks.keys():
            continue
        said = part.said
        covered = [range(m.start(), m.end()) for words in claims for m in re.finditer(re.escape(words), said)]
        bare = re.sub(r"`+.+?`+|\]\([^)]*\)|(?<![\w-])[A-Z]{3}\d{3}\b|^\d+\. | \d+\. (?=[`*A-Za-z])", blank, said)
        loose += [
            f"{page.name}:{part.line}: {said[max(0, m.start() - 30) : m.end() + 30]!r}"
            for m in NUMBER.finditer(bare)
            if not any(m.start() in each for each in covered)
        ]
    return loose


def blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


@pytest.mark.parametrize(("page", "words"), [(page, words) for page, claims in CLAIMS.items() for words in claims])
def test_claims(page: str, words: str) -> None:
    assert any(words in part.said for part in parts(ROOT / page)), "the page does not say so any more"
    holds = CLAIMS[page][words]
    if isinstance(holds, str):
        path, _, name = holds.partition("::")
        assert name in functions_of(f"tests/{path}"), holds
    elif isinstance(holds, Measured):
        assert COMMIT.match(holds.commit)
    elif not isinstance(holds, Whose):
        assert holds()


def test_names_of_others_are_on_some_page() -> None:
    said = " ".join(part.said for page in PAGES for part in parts(page))
    assert [name for name in foreign() if name not in said] == []


# The questions find what is wrong


def page_of(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "page.md"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("```sh\nnetc check nets/digits.net --no-such\n```", "ends with 2"),
        ("```sh\nnetc check not_there.net\n```", "ends with 1"),
        ("```sh\nNETC_THREADS=none netc time nets/digits.net\n```", "ends with 1"),
        ("```sh\nnetc check nets/digits.net | grep -q 7 errors\n```", "ends with"),
        ("```\nnetc check nets/digits.net\n```", "neither run nor marked"),
        ("```python\nimport netc\nnetc.no_such\n```", "AttributeError"),
        ("```python\nprint(1 + 1)  # 3\n```", "not printed: '3'"),
        ("```net\na = ReLU(b)\n```", "GRA003"),
        ("<!-- output of: netc check nets/digits.net -->\n```text\n7 errors\n```", "not printed: '7 errors'"),
        ("<!-- run -->\n| command | it prints |\n|---|---|\n| `netc check nets/digits.net` | 7 errors |", "'7 errors'"),
        ("<!-- excerpt of: netc/errors.py -->\n```python\nclass NoSuch:\n```", "does not stand in netc/errors.py"),
    ],
)
def test_a_block_that_does_not_do_what_is_shown_is_found(text: str, why: str, reader: Reader, tmp_path: Path) -> None:
    for part in parts(page_of(tmp_path, text)):
        reader.read(part)
    (said,) = reader.failed
    assert why in said


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("`netc chekc x.net`", "netc chekc x.net"),
        ("`netc check x.net --no-such`", "netc check x.net --no-such: --no-such"),
        ("`NETC_NO_SUCH=1 netc check x.net`", "NETC_NO_SUCH"),
        ("`NETC_THREADS=1 netc check x.net --no-such`", "netc check x.net --no-such: --no-such"),
        ("`--no-such`", "--no-such"),
        ("`netc.Solverr`", "netc.Solverr"),
        ("`net.no_such()`", "net.no_such"),
        ("`from netc import kaffe`", "kaffe"),
        ("`netc/no_such.py`", "netc/no_such.py"),
        ("`kernel_sizes: 3`", "kernel_sizes"),
        ("`python -m tools.no_such`", "module tools.no_such"),
        ("`make no_such`", "no_such"),
        ("`pip install 'netc[no_such]'`", "no_such"),
        ("```sh\nnetc check nets/no_such.net\n```", "netc check nets/no_such.net: nets/no_such.net"),
    ],
)
def test_a_name_that_is_not_there_is_found(text: str, name: str, tmp_path: Path) -> None:
    path = page_of(tmp_path, text)
    (part,) = parts(path)
    found = unknown_in_command(part.text.strip()) if part.kind == "block" else unknown(part.inline()[0], "", path)
    assert [each.removeprefix("from netc import ") for each in found] in ([name], [f"netc.{name}"])


def test_a_number_that_nothing_holds_is_found(tmp_path: Path) -> None:
    path = page_of(tmp_path, "1. It has 12 parts, `13` names, 3.5 times\n\n| a | b |\n|---|---|\n| x | 7 |\n")
    assert len(loose_numbers(path, [])) == 3
    assert len(loose_numbers(path, ["It has 12 parts"])) == 2


@pytest.mark.parametrize("text", ["<!-- no such: x -->\ntext", "<!-- not run -->", "<!-- a comment -->\ntext"])
def test_a_mark_that_is_none_is_found(text: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"page\.md"):
        parts(page_of(tmp_path, text))
