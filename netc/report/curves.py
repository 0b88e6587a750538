"""Curves over iterations as marks on a page, and as SVG, without a library: for files, pages and notebooks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from netc.errors import visible

COLOURS = ("#1a5fb4", "#c64600", "#26a269", "#813d9c", "#a51d2d", "#986a44", "#0e7c86", "#5e5c64")
_DOTS = 40
"""Curves of at most so many values have a dot for each."""
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _GAP = 760, 230, 64, 20, 30, 46


@dataclass(frozen=True)
class Curve:
    """Values over iterations, by name. Values that are not finite leave a gap. dashed: drawn so (of tests)."""

    name: str
    points: tuple[tuple[float, float], ...]
    dashed: bool = False


@dataclass(frozen=True)
class Chart:
    """Curves that share their axes. logarithmic: the values' axis, where all are positive."""

    title: str
    curves: tuple[Curve, ...]
    logarithmic: bool = False


@dataclass(frozen=True)
class Line:
    """A line through places, in pixels from the upper left corner."""

    places: tuple[tuple[float, float], ...]
    colour: str
    width: float = 1
    dashed: bool = False

    def svg(self) -> str:
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in self.places)
        dashes = ' stroke-dasharray="5 3"' if self.dashed else ""
        return f'<polyline points="{points}" fill="none" stroke="{self.colour}" stroke-width="{self.width:g}"{dashes}/>'


@dataclass(frozen=True)
class Dot:
    """A filled circle."""

    x: float
    y: float
    colour: str
    radius: float = 2.4

    def svg(self) -> str:
        return f'<circle cx="{self.x:.1f}" cy="{self.y:.1f}" r="{self.radius:g}" fill="{self.colour}"/>'


@dataclass(frozen=True)
class Text:
    """A line of text whose start, middle or end is at x, and whose base is at y."""

    x: float
    y: float
    text: str
    anchor: str = "start"
    colour: str = "#5c6270"
    size: int = 11

    def svg(self) -> str:
        place = f'x="{self.x:.1f}" y="{self.y:.1f}" text-anchor="{self.anchor}"'
        return f'<text {place} fill="{self.colour}" font-size="{self.size}">{escape(visible(self.text))}</text>'


Mark = Line | Dot | Text


@dataclass(frozen=True)
class Page:
    """Marks on white ground, the later ones above, and its size in pixels."""

    width: int
    height: int
    marks: tuple[Mark, ...]


def page(charts: Sequence[Chart], title: str = "") -> Page:
    """The charts, one below the other; those without a value are left out."""
    shown = [chart for chart in charts if any(_known(curve) for curve in chart.curves)]
    names = list(dict.fromkeys(curve.name for chart in shown for curve in chart.curves))
    colour = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
    top = 34 if title else 8
    height = top + sum(_HEIGHT + _GAP for _ in shown) + 8
    marks: list[Mark] = [Text(_WIDTH / 2, 20, title, "middle", "#1d1f23", 14)] if title else []
    for i, chart in enumerate(shown):
        marks += _chart(chart, top + i * (_HEIGHT + _GAP), colour)
    return Page(_WIDTH, height, tuple(marks))


def svg(charts: Sequence[Chart], title: str = "") -> str:
    """The charts, one below the other, as the text of an SVG file."""
    made = page(charts, title)
    size = f'width="{made.width}" height="{made.height}"'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {made.width} {made.height}" '
        'font-family="Helvetica, Arial, sans-serif" font-size="11">'
    )
    ground = f'<rect {size} fill="#ffffff"/>'
    return "\n".join((head, ground, *(mark.svg() for mark in made.marks), "</svg>")) + "\n"


def _known(curve: Curve) -> list[tuple[float, float]]:
    return [(x, y) for x, y in curve.points if math.isfinite(x) and math.isfinite(y)]


def _chart(chart: Chart, top: float, colour: dict[str, str]) -> list[Mark]:
    points = [point for curve in chart.curves for point in _known(curve)]
    logarithmic = chart.logarithmic and all(y > 0 for _, y in points)
    xs, ys = [x for x, _ in points], [math.log10(y) if logarithmic else y for _, y in points]
    across = _Axis(min(xs), max(xs), _LEFT, _WIDTH - _RIGHT)
    up = _Axis(min(ys), max(ys), top + _HEIGHT, top + _TOP, 5)
    marks: list[Mark] = [Text(_LEFT, top + 16, chart.title, "start", "#1d1f23", 12)]
    for value in up.ticks():
        shown = f"{10**value:.3g}" if logarithmic else f"{value:.4g}"
        marks.append(_straight(_LEFT, up.at(value), _WIDTH - _RIGHT, up.at(value), "#e3e5e8"))
        marks.append(Text(_LEFT - 6, up.at(value) + 4, shown, "end"))
    for value in across.ticks():
        marks.append(_straight(across.at(value), top + _HEIGHT, across.at(value), top + _HEIGHT + 4, "#9aa0aa"))
        marks.append(Text(across.at(value), top + _HEIGHT + 16, f"{value:,.6g}", "middle"))
    marks.append(_straight(_LEFT, top + _HEIGHT, _WIDTH - _RIGHT, top + _HEIGHT, "#9aa0aa"))
    for i, curve in enumerate(chart.curves):
        places = [(across.at(x), up.at(math.log10(y) if logarithmic else y)) for x, y in _known(curve)]
        marks.append(Line(tuple(places), colour[curve.name], 1.6, curve.dashed))
        marks += [Dot(x, y, colour[curve.name]) for x, y in places] if len(places) <= _DOTS else []
        marks += _legend(curve, i, len(chart.curves), top, colour[curve.name])
    return marks


def _legend(curve: Curve, number: int, count: int, top: float, colour: str) -> list[Mark]:
    if count == 1:
        return []
    columns = min(count, 4)
    x = _WIDTH - _RIGHT - 150 * (columns - number % columns)
    y = top + 14 + 13 * (number // columns)
    name = curve.name if len(curve.name) <= 20 else f"{curve.name[:9]}…{curve.name[-10:]}"
    return [_straight(x, y - 4, x + 16, y - 4, colour, 2), Text(x + 21, y, name)]


def _straight(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1) -> Line:
    return Line(((x1, y1), (x2, y2)), colour, width)


class _Axis:
    """From values (least to most) to places, with room where all values are the same."""

    def __init__(self, least: float, most: float, first: float, last: float, wanted: int = 7) -> None:
        if least == most:
            room = abs(least) * 0.1 or 1.0
            least, most = least - room, most + room
        self._least, self._most, self._first, self._last, self._wanted = least, most, first, last, wanted

    def at(self, value: float) -> float:
        share = (value - self._least) / (self._most - self._least)
        return self._first + share * (self._last - self._first)

    def ticks(self) -> list[float]:
        """Round values between the two ends."""
        rough = (self._most - self._least) / self._wanted
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= rough)
        first = math.ceil(self._least / step - 1e-9)
        return [i * step for i in range(first, math.floor(self._most / step + 1e-9) + 1)]
