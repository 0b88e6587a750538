"""The gallery: the nets that come with netc, and where they are: in the wheel, or beside the package in a checkout."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from netc import language
from netc.language.tree import Import, Scalar

_END = re.compile(r"(?<!\bal)\. ")  # of a sentence, not that of "et al."
_PACKAGE = Path(__file__).parent.parent


@dataclass(frozen=True)
class Work:
    """A net of the gallery: its name (that of the file), its file, and what its first comment says."""

    name: str
    path: Path
    about: str


def gallery() -> dict[str, Work]:
    """The nets by name."""
    places = (_PACKAGE / "gallery", _PACKAGE.parent / "nets")
    folder = next(place for place in places if (place / "digits.net").is_file())
    return {path.stem: Work(path.stem, path, _about(path)) for path in sorted(folder.glob("*.net"))}


def parts(work: Work) -> dict[Path, bytes]:
    """The files of a net, by their paths from the net's own folder on: its own, and those that it imports."""
    folder, found = work.path.parent, dict[Path, bytes]()
    waiting = [work.path]
    while waiting:
        path = waiting.pop()
        if (name := path.relative_to(folder)) in found:
            continue
        found[name] = path.read_bytes()
        imports = (item.path for item in language.read(path).block.items if isinstance(item, Import))
        waiting += [path.parent / named.text for named in imports if isinstance(named, Scalar)]
    return found


def _about(path: Path) -> str:
    """The first sentence of the comment that a file begins with."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comment = []
    for line in lines:
        if not line.startswith("#"):
            break
        comment.append(line.lstrip("# "))
    return _END.split(" ".join(comment))[0].rstrip(".")
