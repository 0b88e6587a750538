"""What notebooks and scripts look at, each in one call: a net's summary, its drawing, what it says of images."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netc.api.definition import Definition, PathLike
from netc.api.newest import newest_weights
from netc.api.planning import load, plan
from netc.api.predict import Prediction, Predictor
from netc.files import write_bytes
from netc.layer import Phase
from netc.plan.model import Plan
from netc.report import rendering, weights
from netc.report.diagram import Style
from netc.report.draw import draw as drawn
from netc.report.notebook import WIDTH, Summary, of_plan
from netc.solve import read_weights

if TYPE_CHECKING:
    import graphviz

_WEIGHTS = (".caffemodel", ".h5")


class Drawing:
    """A picture of a net: a notebook shows it, `save` writes it; `dot` is its text for Graphviz."""

    def __init__(self, graph: graphviz.Digraph) -> None:
        self.dot: str = graph.source

    @property
    def svg(self) -> str:
        """The picture as SVG. Raises NetError(CLI001) where no program that lays out is there."""
        return rendering.picture(self.dot, "svg").decode("utf-8", "replace")

    def save(self, path: PathLike) -> None:
        """Write a file of the kind that its ending says: .svg, .png, .dot. Raises NetError(CLI001)."""
        path = Path(path)
        write_bytes(path, rendering.picture(self.dot, path.suffix.lstrip(".").lower() or "svg"))

    def _repr_svg_(self) -> str | None:
        return self.svg if rendering.there() else None

    def __repr__(self) -> str:
        return f"<drawing, {len(self.dot):,} characters of dot text>"


def summary(
    net: Definition | Plan | PathLike, phase: Phase = "TEST", *, expand: bool = False, **options: Any
) -> Summary:
    """The layers of a net with shapes, parameters and multiply-adds; or what is in a weight file.

    net: a file, a definition, a plan, or a .caffemodel. expand: each layer, also those that a composite made. options:
    those of `netc.plan`. Raises NetError.
    """
    if isinstance(net, str | Path) and Path(net).suffix in _WEIGHTS:
        found = read_weights(net)
        return Summary(weights.table(found, WIDTH), weights.data(found))
    return of_plan(_planned(net, phase, options), expand)


def draw(
    net: Definition | Plan | PathLike,
    path: PathLike | None = None,
    phase: Phase = "TRAIN",
    *,
    style: Style = "plain",
    direction: str = "TB",
    **options: Any,
) -> Drawing:
    """A picture of a net, as `netc draw` makes it; written to `path` if there is one. options: those of `netc.plan`.

    Raises NetError: CLI001 where no program that lays out is there and a file is to be written, and what planning does.
    """
    made = Drawing(drawn(_planned(net, phase, options), direction, style))
    if path is not None:
        made.save(path)
    return made


def predict(
    net: Definition | PathLike,
    images: PathLike | Iterable[PathLike] = (),
    *,
    weights: PathLike | Iterable[PathLike] | None = None,
    count: int = 1,
    **options: Any,
) -> list[Prediction]:
    """What a trained net says of images, as `netc predict` does; `best` of each is a list of names and scores.

        for found in netc.predict("photos.net", ["a.jpg", "b.jpg"]):
            print(found.source, found.best()[0])

    net: the net that was trained, or a deploy net. images: files, folders, `.npz` files. weights: `.caffemodel` files,
    the net's newest snapshot if there are none. count: how many samples, of a net without inputs. options: those of
    `netc.api.predict.Predictor`. Raises NetError; an image that cannot be read has a `problem` instead of outputs.
    """
    definition = net if isinstance(net, Definition) else load(net)
    if weights is None:
        files: list[PathLike] = [newest_weights(definition)]
    else:
        files = [weights] if isinstance(weights, str | Path) else list(weights)
    paths = [images] if isinstance(images, str | Path) else list(images)
    predictor = Predictor(definition, files, **options)
    return list(predictor(paths) if paths or predictor.shapes else predictor.made(count))


def _planned(net: Definition | Plan | PathLike, phase: Phase, options: dict[str, Any]) -> Plan:
    return net if isinstance(net, Plan) else plan(net, phase, **options)
