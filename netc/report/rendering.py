"""Dot text laid out as a picture: by Graphviz's own `dot`, or by `graphviz-pure`, the program that pip installs.

Both read the same language. What is there is taken, `dot` first; `graphviz-pure` is looked for beside this Python too,
because the environment that netc lies in need not be on PATH.
"""

from __future__ import annotations

import shutil
import subprocess
import sysconfig

from netc.errors import Code, Diagnostic, NetError

NO_DOT = Code(
    "CLI001",
    "no program that lays out pictures is there, or none that writes this format",
    why="Pictures are laid out by Graphviz's `dot`, or by `graphviz-pure`, which pip installs and which writes SVG and "
    "PNG. Neither was found, or the one that was found does not write the format that the file's ending asks for.",
    example="netc draw nets/digits.net -o digits.svg",
    fix="pip install 'netc[draw]' for SVG and PNG, or the `graphviz` package of your system for PDF and others too; "
    "dot text (`-o net.dot`) needs neither.",
)
TEXT_FORMATS = ("dot", "gv", "raw")
"""File endings that ask for the dot text itself."""
_SECONDS = 600


def picture(dot: str, kind: str) -> bytes:
    """The drawing that dot text describes, as the bytes of a file.

    kind: what the file's ending says: `svg`, `png`, `pdf`..., or `dot` for the text itself, for which no program is
    needed. Raises NetError(CLI001) where no program is there that writes this kind, with what it said.
    """
    if kind in TEXT_FORMATS:
        return dot.encode()
    programs = _programs()
    if not programs:
        raise _refused("no program that lays out pictures is installed")
    said = ""
    for program in programs:
        done = subprocess.run(
            [program, f"-T{kind}"], input=dot.encode(), capture_output=True, timeout=_SECONDS, check=False
        )
        if done.returncode == 0 and done.stdout:
            return done.stdout
        said = done.stderr.decode(errors="replace").strip().partition("\n")[0]
    raise _refused(f"no .{kind} picture can be written: {said or 'nothing came out'}")


def there() -> bool:
    """Whether there is a program that lays out pictures."""
    return bool(_programs())


def _programs() -> list[str]:
    """`dot` and `graphviz-pure`, those that are there."""
    beside = sysconfig.get_path("scripts")
    found = (shutil.which("dot"), shutil.which("graphviz-pure") or shutil.which("graphviz-pure", path=beside))
    return [program for program in found if program]


def _refused(message: str) -> NetError:
    return NetError(Diagnostic(NO_DOT, message, help="pip install 'netc[draw]', or write dot text with -o net.dot"))
