"""Vectors that a net has learned, by name: their neighbours, a map of them, and a file that other tools read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from netc.api.definition import Definition
from netc.data.extras import package
from netc.data.text.corpus import Corpus
from netc.errors import Code, Diagnostic, NetError, suggest, visible
from netc.layer import Array, format_shape

NO_VECTORS = Code(
    "RUN114",
    "there are no vectors to look at",
    why="A table is the first parameter blob of a layer (Embed, InnerProduct, NegativeSamplingLoss): a row for each "
    "word or class. A blob has a row for each sample.",
    example="netc embed nets/systems/skipgram.net --table tabel",
    fix="Name a layer with a table, `--table LAYER`, or a blob of the net that predicts, `--blob NAME`.",
)
BAD_VECTOR_NAMES = Code(
    "RUN115",
    "the names of the vectors do not fit",
    why="Line N of the names names row N of the table; the first line is row 0.",
    example="netc embed skipgram.net --table e --names three.txt  # of a table with 500 rows",
    fix="Give a text file with one line for each row, such as the vocabulary of the Text layer.",
)
MAP_SIZE = 900  # of a map, in pixels
MOST_SHOWN = 400
"""Vectors on a map; of more, the first."""


@dataclass(frozen=True)
class Vectors:
    """Vectors (N x D, float32) and their names."""

    names: tuple[str, ...]
    values: NDArray[np.float32]

    def near(self, name: str, count: int = 10) -> list[tuple[str, float]]:
        """The names whose vectors point most like that of this one, with the cosines, the largest first.

        Vectors of zeros are near to nothing. Raises NetError(RUN115) for a name that is none.
        """
        at = self.number(name)
        cosines = self._directions() @ self._directions()[at]
        order = [int(i) for i in np.argsort(-cosines, kind="stable") if i != at and self.values[i].any()]
        return [(self.names[i], float(cosines[i])) for i in order[:count]]

    def number(self, name: str) -> int:
        """The row of a name. Raises NetError(RUN115)."""
        if name not in self.names:
            close = suggest(name, self.names)
            help = f'did you mean "{close}"?' if close else None
            raise NetError(Diagnostic(BAD_VECTOR_NAMES, f'no vector is called "{visible(name)}"', help=help))
        return self.names.index(name)

    def _directions(self) -> Array:
        lengths = np.linalg.norm(self.values.astype(np.float64), axis=1, keepdims=True)
        return np.asarray(self.values / np.where(lengths > 0, lengths, 1))

    def as_word2vec(self) -> str:
        """The text format of word2vec: how many and how long, then a name and its values in each line."""
        lines = [f"{len(self.names)} {self.values.shape[1]}"]
        for name, row in zip(self.names, self.values, strict=True):
            lines.append(" ".join(("_".join(name.split()) or "_", *(f"{value:.6g}" for value in row))))
        return "\n".join(lines) + "\n"

    def first(self, count: int) -> Vectors:
        """The first so many."""
        return Vectors(self.names[:count], self.values[:count])


def table_of(params: Mapping[str, Sequence[Array]], name: str, names: Sequence[str]) -> Vectors:
    """The table of a layer: its first parameter blob, a row for each name; rows without a name have their number.

    Raises NetError: RUN114, RUN115.
    """
    if name not in params:
        close = suggest(name, params)
        help = f'did you mean "{close}"?' if close else f"layers with parameters are {', '.join(params)}"
        raise NetError(Diagnostic(NO_VECTORS, f'no layer "{name}" has parameters', help=help))
    table = np.asarray(params[name][0], np.float32)
    if table.ndim < 2 or min(table.shape) < 1:
        raise NetError(Diagnostic(NO_VECTORS, f'the parameters of "{name}" are {format_shape(table.shape)}, no table'))
    return named(table.reshape(len(table), -1), names)


def named(values: Array, names: Sequence[str]) -> Vectors:
    """Vectors with names, or numbers where none are given. Raises NetError(RUN115)."""
    if names and len(names) != len(values):
        message = f"there are {len(names):,} names for {len(values):,} vectors"
        raise NetError(Diagnostic(BAD_VECTOR_NAMES, message, help=BAD_VECTOR_NAMES.fix))
    return Vectors(tuple(names) or tuple(map(str, range(len(values)))), np.asarray(values, np.float32))


def names_in(definition: Definition, rows: int) -> tuple[str, ...]:
    """The tokens of a Text layer of the net that has as many, or ()."""
    for layer in definition.record.layer:
        if layer.has("text_param"):
            corpus = Corpus(layer)
            coders = [corpus.coder, *([corpus.target_coder] if layer.text_param.form in ("PAIRS", "TAGS") else [])]
            for coder in coders:
                if len(coder.vocabulary) == rows:
                    return coder.vocabulary.tokens
    return ()


# ---------------------------------------------------------------- a map


def map_of(vectors: Vectors, seed: int = 0) -> str:
    """The vectors on a plane, near ones near (t-SNE; van der Maaten & Hinton 2008), as an SVG picture.

    Raises NetError(DAT004) if scikit-learn is not installed.
    """
    shown = vectors.first(MOST_SHOWN)
    manifold: Any = package("sklearn.manifold", "scikit-learn", "maps of vectors", "embed")
    perplexity = min(30.0, max(1.0, (len(shown.names) - 1) / 3))
    found = manifold.TSNE(
        n_components=2, perplexity=perplexity, random_state=seed, init="pca" if len(shown.names) > 2 else "random"
    )
    places = found.fit_transform(shown.values) if len(shown.names) > 1 else np.zeros((len(shown.names), 2))
    return svg(shown.names, places)


def svg(names: Sequence[str], places: Array) -> str:
    """Names at their places on a square picture."""
    low, high = places.min(axis=0, initial=np.inf), places.max(axis=0, initial=-np.inf)
    scale = (MAP_SIZE - 120) / max(float((high - low).max(initial=0)), 1e-9)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{MAP_SIZE}" height="{MAP_SIZE}" '
        f'viewBox="0 0 {MAP_SIZE} {MAP_SIZE}" font-family="sans-serif" font-size="11">',
        f'<rect width="{MAP_SIZE}" height="{MAP_SIZE}" fill="white"/>',
    ]
    for name, (x, y) in zip(names, (places - low) * scale + 60, strict=True):
        lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="#4878d0"/>')
        lines.append(f'<text x="{x + 4:.1f}" y="{y + 4:.1f}">{escape(visible(name))}</text>')
    return "\n".join((*lines, "</svg>")) + "\n"
