"""What the tokens of a net mean: from the Text layer that it learns from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.data.codes import BAD_TEXT
from netc.data.text.corpus import Corpus, padded
from netc.data.text.cut import END, PAD, START
from netc.data.text.vocabulary import Coder, UnknownTokenError
from netc.errors import Diagnostic, NetError
from netc.layer import Shape
from netc.schema.record import Record

Array = NDArray[Any]


@dataclass(frozen=True)
class Tokens:
    """The tokens that a net generates, and those of the text that it starts from.

    source: of a net that turns one text into another, the blobs of the first text and of its mask. start, stop: the
    tokens that begin and end a text, if the generate block does not name others.
    """

    coder: Coder
    source_coder: Coder | None
    source: str
    mask: str
    start: str
    stop: str | None

    def encode(self, text: str, coder: Coder | None = None) -> list[int]:
        """The numbers of a text's tokens. Raises NetError(DAT022)."""
        try:
            return (coder or self.coder).encode(text)
        except UnknownTokenError as error:
            raise NetError(Diagnostic(BAD_TEXT, f'"{text[:60]}": {error}')) from None

    def number(self, token: str) -> int:
        """Of one token. Raises NetError(DAT022)."""
        try:
            return self.coder.number(token)
        except UnknownTokenError as error:
            raise NetError(Diagnostic(BAD_TEXT, str(error))) from None

    def inputs(self, text: str, shapes: Mapping[str, Shape]) -> dict[str, Array]:
        """What the first part of the net reads: the text behind filling, and its mask. Raises NetError(DAT022)."""
        if self.source_coder is None or self.source not in shapes:
            return {}
        numbers, steps = self.encode(text, self.source_coder), shapes[self.source][0]
        if len(numbers) >= steps:
            message = f'"{text[:60]}" has {len(numbers)} tokens; the net has room for {steps - 1}'
            raise NetError(Diagnostic(BAD_TEXT, message))
        pad = self.source_coder.number(PAD)
        found = {
            self.source: padded(numbers, steps, pad, front=True),
            self.mask: padded([1] * len(numbers), steps, 0, front=True),
        }
        return {
            name: np.asarray(row, np.float32).reshape(shapes[name]) for name, row in found.items() if name in shapes
        }


def tokens_of(layers: Iterable[Record], into: str) -> Tokens | None:
    """What the Text layer says whose top is called like the input that takes tokens; None if there is none.

    Raises NetError: DAT012, DAT016, DAT021.
    """
    for layer in layers:
        if layer.has("text_param") and into in layer.top:
            corpus, form = Corpus(layer), layer.text_param.form
            if form == "PAIRS" and layer.top.index(into) == 2:
                source, mask = layer.top[:2]
                return Tokens(corpus.target_coder, corpus.coder, source, mask, START, END)
            if form == "LM" and layer.top.index(into) == 0:
                return Tokens(corpus.coder, None, "", "", corpus.coder.cut.line_end, None)
    return None
