"""How `netc train --inspect` and `--overfit-batch` show what they found."""

from __future__ import annotations

from rich.table import Table

from netc.api.sanity import Inspection, Losses, Spread
from netc.cli import _output

BARS = " ▁▂▃▄▅▆▇█"


def show_inspection(found: Inspection) -> None:
    """Two tables on stderr: what the layers give, and the gradients of what they learn."""
    values = _table(f"iteration {found.iteration}: values", "layer", "type", "mean", "std", "zeros", "dead", "values")
    for a in found.activities:
        s = a.spread
        dead = f"{a.dead} of {a.units}" if a.units else ""
        row = (a.layer, a.type, f"{s.mean:.3g}", f"{s.std:.3g}", f"{s.zeros:.0%}", dead, bars(s))
        values.add_row(*row)
    _output.err.print(values)
    gradients = _table("gradients", "blob", "norm", "norm of the blob", "ratio", "values")
    for g in found.gradients:
        norms = (f"{g.spread.norm:.3g}", f"{g.weight_norm:.3g}", f"{g.ratio:.2g}")
        gradients.add_row(g.blob, *norms, bars(g.spread))
    _output.err.print(gradients)


def show_first_losses(losses: Losses) -> None:
    """The first losses beside those of a guess."""
    for name, loss in losses.first.items():
        guess = losses.expected[name]
        _output.say(f"first {name} {loss:.4f}; -log(1/{guess.classes}) = {guess.loss:.4f}")


def bars(s: Spread) -> str:
    """A histogram in one line, with its ends: `-1.2 ▁▂▅█▃▁ 0.9`. A bar's height goes with the root of its count."""
    most = max(s.histogram) or 1
    drawn = "".join(BARS[round((count / most) ** 0.5 * (len(BARS) - 1))] for count in s.histogram)
    return f"{s.least:>9.2g} {drawn} {s.most:.2g}"


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold")
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    return table
