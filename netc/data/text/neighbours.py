"""SKIPGRAM, CBOW and COOCCURRENCE: words and those near them in the same line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from netc.data.order import philox
from netc.data.text.corpus import Corpus, Ids
from netc.data.text.cut import PAD
from netc.data.text.form import Numbers, as_bytes
from netc.layer import Array

Places = NDArray[np.int64]


class _Words:
    """All words, and of each how many of its line stand before and behind it, at most `window`."""

    def __init__(self, corpus: Corpus, stream: int) -> None:
        ids, starts = corpus.sentences()
        if corpus.p.subsample:
            ids, starts = _thinned(ids, starts, float(corpus.p.subsample), stream)
        self.window, self.ids = int(corpus.p.window), ids
        line = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        place = np.arange(len(ids))
        self.before = np.minimum(place - starts[line], self.window)
        self.behind = np.minimum(starts[line + 1] - 1 - place, self.window)


def _thinned(ids: Ids, starts: Places, share: float, stream: int) -> tuple[Ids, Places]:
    """Without some of the words that are more than this share of the text (Mikolov et al. 2013).

    A word whose share is f stays with probability sqrt(share / f): the same words for every seed, so that the records
    are the same.
    """
    shares = np.bincount(ids) / max(len(ids), 1)
    draws = (philox(0, stream, (0, 2, 0, 0)).random_raw(len(ids)) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    kept = draws * draws * shares[ids] < share
    counts = np.concatenate([[0], np.cumsum(kept)])
    return ids[kept], counts[starts]


class SkipGram:
    """A record is a word with one of its neighbours, from left to right."""

    labels: Array | None = None

    def __init__(self, corpus: Corpus, stream: int) -> None:
        self._words = words = _Words(corpus, stream)
        self._ends = np.cumsum(words.before + words.behind)
        self.count = int(self._ends[-1]) if len(self._ends) else 0

    def fill(self, records: Numbers, out: Sequence[Array]) -> None:
        words = self._words
        at = np.searchsorted(self._ends, records, side="right")
        nth = records - self._ends[at] + words.before[at] + words.behind[at]
        offset = nth - words.before[at]
        offset += offset >= 0  # the word itself is no neighbour
        for top, values in zip(out, (words.ids[at], words.ids[at + offset]), strict=False):
            top[...] = values

    def content(self) -> Iterator[bytes]:
        return as_bytes(self._words.ids, self._ends)


class Bag:
    """A record is a word with all of its neighbours, <pad> where the line has ended. Words without any are left out."""

    labels: Array | None = None

    def __init__(self, corpus: Corpus, stream: int) -> None:
        corpus.need(corpus.coder, PAD)
        self._words = words = _Words(corpus, stream)
        self._pad = corpus.coder.number(PAD)
        self._places = np.flatnonzero(words.before + words.behind)
        offsets = np.arange(-words.window, words.window + 1)
        self._offsets = offsets[offsets != 0]
        self.count = len(self._places)

    def fill(self, records: Numbers, out: Sequence[Array]) -> None:
        words, at = self._words, self._places[records]
        inside = (self._offsets >= -words.before[at, None]) & (self._offsets <= words.behind[at, None])
        near = words.ids[np.clip(at[:, None] + self._offsets, 0, len(words.ids) - 1)]
        for top, values in zip(out, (np.where(inside, near, self._pad), words.ids[at]), strict=False):
            top[...] = values

    def content(self) -> Iterator[bytes]:
        return as_bytes(self._words.ids, self._places)


class Cooccurrence:
    """A record is a pair of words that stand near each other somewhere, and how often, each time counting 1 / distance.

    Pairs come by the first word, then the second; each stands there both ways (Pennington et al. 2014).
    """

    labels: Array | None = None

    def __init__(self, corpus: Corpus, stream: int) -> None:
        words = _Words(corpus, stream)
        size = len(corpus.coder.vocabulary)
        pairs: Array = np.empty(0, np.int64)
        counts: Array = np.empty(0)
        ids = words.ids.astype(np.int64)
        for distance in range(1, words.window + 1):
            at = np.flatnonzero(words.behind >= distance)
            left, right = ids[at], ids[at + distance]
            met = np.concatenate([pairs, left * size + right, right * size + left])
            weights = np.concatenate([counts, np.full(2 * len(at), 1 / distance)])
            pairs, of = np.unique(met, return_inverse=True)
            counts = np.bincount(of, weights, len(pairs))
        self._values = pairs // max(size, 1), pairs % max(size, 1), counts
        self.count = len(pairs)

    def fill(self, records: Numbers, out: Sequence[Array]) -> None:
        for top, values in zip(out, self._values, strict=False):
            top[...] = values[records]

    def content(self) -> Iterator[bytes]:
        return as_bytes(*self._values)
