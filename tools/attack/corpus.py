"""Published net files with names in GBK and Latin-1, and with layers that have one name: no copy may give a traceback.

    python -m tools.attack corpus --folder DIR --count 2000

DIR holds net and solver files at any depth. Each copy of one is checked, planned, expanded and formatted; what it says
must be a net or a diagnostic, and text that comes out must have the bytes of the names that went in.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from netc import language
from netc.api.definition import typed
from netc.api.planning import check, load, plan_state, states
from netc.errors import NetError
from netc.report.summary import summarize
from netc.schema.text import to_text
from tools.attack import Tally
from tools.attack._damage import Random, pick

_NAME = re.compile(rb'\b(?:name|top|bottom)\s*:\s*("[^"\n]*"|\'[^\'\n]*\')')
_LABELS = [word.encode("gbk") for word in ("卷积", "池化层", "损失", "数据")]
_LABELS += [word.encode("latin-1") for word in ("d\xe9bruit\xe9", "\xfcber", "\xff\xfe")]


def run(count: int, seed: int, folder: Path) -> Tally:
    """Try `count` copies of the files in a folder, the files in turn."""
    tally = Tally()
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with tempfile.TemporaryDirectory() as scratch:
        for index in range(count):
            path = files[index % len(files)]
            copy = Path(scratch, f"net{path.suffix or '.prototxt'}")
            rng: Random = np.random.default_rng((seed, index))
            copy.write_bytes(renamed(path.read_bytes(), rng))
            with tally.attempt(f"seed {seed}, copy {index}: {path}"):
                tally.add(_tried(copy))
    return tally


def renamed(data: bytes, rng: Random) -> bytes:
    """A net's text in which some names are other bytes, everywhere they stand, and some layers have others' names."""
    names = sorted(set(_NAME.findall(data)))
    for _ in range(1 + pick(rng, 4)):
        if not names:
            break
        old = names[pick(rng, len(names))]
        label = _LABELS[pick(rng, len(_LABELS))] + (b"" if rng.random() < 0.5 else b"%d" % pick(rng, 99))
        data = data.replace(old, b'"%b"' % label)
    places = list(re.finditer(rb'\bname\s*:\s*("[^"\n]*")', data))
    for _ in range(pick(rng, 3)):
        if len(places) > 1:
            one, other = places[pick(rng, len(places))], places[pick(rng, len(places))]
            data = data[: one.start(1)] + other[1] + data[one.end(1) :]
            places = list(re.finditer(rb'\bname\s*:\s*("[^"\n]*")', data))
    return data


def _tried(path: Path) -> str:
    """Do with a file what the commands do; says what became of it."""
    done = [_does(what, path) for what in (check, _formatted, _expanded, _planned)]
    return "planned" if done[-1] else "refused"


def _does(what: Callable[[Path], object], path: Path) -> bool:
    try:
        what(path)
    except NetError as error:
        str(error).encode("utf-8", "surrogateescape")
        return False
    return True


def _formatted(path: Path) -> None:
    text = language.format_text(language.read_text(path))
    assert language.format_text(text) == text
    foreign = sorted(byte for byte in path.read_bytes() if byte > 127)
    assert foreign == sorted(byte for byte in _bytes(text) if byte > 127), "fmt changed the bytes of a name"


def _expanded(path: Path) -> None:
    definition = load(path)
    again = language.parse(to_text(definition.record), str(path))
    assert typed(again, path, definition.types).record == definition.record, "expand changed the net"


def _planned(path: Path) -> None:
    definition = load(path)
    for state in states(definition):
        summarize(plan_state(definition, state))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
