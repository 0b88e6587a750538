"""Text: batches of the records of a text in one of its forms, in an order that nothing but the seed decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import chain
from types import SimpleNamespace
from typing import Any

from netc.data.choosing import ordered
from netc.data.content import digest
from netc.data.paths import find
from netc.data.reading import check_content
from netc.data.source import Opening, SourceType
from netc.data.text.columns import check_some, labels, pairs, tags
from netc.data.text.corpus import Corpus
from netc.data.text.form import Form
from netc.data.text.neighbours import Bag, Cooccurrence, SkipGram
from netc.data.text.running import Running
from netc.kernels.text_shapes import FORMS
from netc.layer import Array, Phase, Shape
from netc.schema.record import Record

_MAKERS: Mapping[str, Callable[[Corpus, int, int], Form]] = {
    "LM": lambda corpus, batch, stream: Running(corpus, batch),
    "PAIRS": lambda corpus, batch, stream: pairs(corpus),
    "TAGS": lambda corpus, batch, stream: tags(corpus),
    "LABELS": lambda corpus, batch, stream: labels(corpus),
    "SKIPGRAM": lambda corpus, batch, stream: SkipGram(corpus, stream),
    "CBOW": lambda corpus, batch, stream: Bag(corpus, stream),
    "COOCCURRENCE": lambda corpus, batch, stream: Cooccurrence(corpus, stream),
}
"""How the records of each form are made: from a corpus, the samples of a batch, and the layer's random stream."""


class TextSource:
    """Batches of one form. bad: the lines that were left out, by name, and why.

    Raises NetError: DAT010, DAT012, DAT016, DAT021, DAT022.
    """

    def __init__(self, opening: Opening) -> None:
        self.layer = opening.record
        self._opening = opening
        self._corpus = Corpus(opening.record, skip=opening.on_bad_record == "skip")
        self._known = FORMS[opening.record.text_param.form]
        self._batch = int(opening.record.text_param.batch_size)
        self._make(self._batch)
        self.bad = self._corpus.bad

    def _make(self, batch: int) -> None:
        p, opening = self.layer.text_param, self._opening
        self._form = _MAKERS[p.form](self._corpus, batch, opening.stream)
        check_some(self._corpus, self._form.count)
        chosen = SimpleNamespace(first=0, count=0, classes=p.classes, per_class=p.per_class, together=p.together)
        labels, stream = (lambda: self._form.labels), opening.stream
        self.order = ordered(opening, chosen, self._form.count, labels, shuffle=p.shuffle, stream=stream)

    def shapes(self) -> tuple[Shape, ...]:
        return _shapes(self.layer)

    def records_in(self, shape: Shape) -> int:
        """How many records a batch takes whose first top has this shape."""
        return shape[self._known.records]

    def next(self, out: Sequence[Array]) -> None:
        samples = out[0].shape[self._known.samples]
        if samples != self._batch and self.layer.text_param.form == "LM":  # another number of streams: other records
            self._make(samples)
        self._batch = samples
        self._form.fill(self.order.take(self.records_in(out[0].shape)), out)

    def state(self) -> dict[str, Any]:
        return {**self.order.state(), "content": self._content}

    @cached_property
    def _content(self) -> str:
        return digest(chain(self._form.content(), self._corpus.content()))

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state. Raises NetError(DAT010) if it is one of other data."""
        check_content(self.layer, self.order.count, self._content, state)
        self.order.restore(state)


def _shapes(record: Record) -> tuple[Shape, ...]:
    """The shapes of the layer's tops, which its fields say."""
    p = record.text_param
    return FORMS[p.form].shapes(p)[: len(record.top)]


def _probe(record: Record, phase: Phase) -> tuple[Shape, ...] | None:
    """The shapes of the layer's tops, or None if its file is not there."""
    return _shapes(record) if find(record, record.text_param.source) is not None else None


TEXT = SourceType("Text", TextSource, _probe)
