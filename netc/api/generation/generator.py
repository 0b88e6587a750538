"""Texts from a net: sampled, or the likely ones that a beam search finds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netc import run
from netc.api.definition import Definition
from netc.api.deploy import deploy
from netc.api.generation.beam import Beam, Hypothesis
from netc.api.generation.choosing import Sampling
from netc.api.generation.codes import BAD_GENERATE, NO_GENERATE, NO_TEXT
from netc.api.generation.decoder import Decoder
from netc.api.generation.parts import Parts, parts_of
from netc.api.generation.texts import Tokens, tokens_of
from netc.api.generation.written import MOST_ROWS, OF_METHOD, problems
from netc.data.order import philox
from netc.errors import Diagnostic, NetError
from netc.schema.record import Record

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Generated:
    """One text: its tokens without the one that ended it, the log of its probability, that as the search ranks it.

    text: "" if nothing says what the tokens mean. ended: whether it ended, not just reached the most tokens.
    """

    tokens: tuple[int, ...]
    text: str
    log_p: float
    score: float
    ended: bool


class Generator:
    """Generates with a net that is there already; its parameters of now count.

    definition: the net as it was trained, or a deploy net, with a `generate { }` block. params: a net with the trained
    parameters, by layer name. changes: fields of the block to set instead of the file's (`temperature`, `width`...).
    Raises NetError: RUN050, RUN110, RUN111, RUN113, and what planning the net raises.
    """

    def __init__(
        self,
        definition: Definition,
        params: run.Net,
        *,
        changes: Mapping[str, object] | None = None,
        **run_options: Unpack[run.RunOptions],
    ) -> None:
        if not definition.record.has("generate"):
            name = definition.record.name or str(definition.path)
            message = f'net "{name}" has no generate block: it goes on with no text'
            raise NetError(Diagnostic(NO_GENERATE, message, help=NO_GENERATE.fix))
        written: Record = definition.record.generate
        changes = dict(changes or {})
        if changes.get("method", written.method) != written.method:  # what the other method needs is of no use
            changes = dict.fromkeys(OF_METHOD[written.method]) | changes
        self.p: Any = written.replace(**changes)
        if wrong := list(problems(self.p)):
            raise NetError(wrong)
        self.definition, self.params, self._options = definition, params, run_options
        self.parts: Parts = parts_of(deploy(definition).definition, self.p)
        self.tokens: Tokens | None = tokens_of(definition.record.layer, self.parts.into)
        self._decoders: dict[int, Decoder] = {}

    # ------------------------------------------------------------ texts

    def texts(self, text: str = "", *, count: int = 1, seed: int = 0) -> list[Generated]:
        """Texts that go on from this one, or for PAIRS, that it becomes: `count` samples, or the best of the search.

        Raises NetError: RUN112; DAT022 for a token that the vocabulary has not.
        """
        prompt, inputs = self._begun(text, self._decoder(count))
        return self.numbers(prompt, inputs=inputs, count=count, seed=seed)

    def numbers(
        self,
        prompt: Sequence[int],
        *,
        inputs: Mapping[str, ArrayLike] | None = None,
        count: int = 1,
        seed: int = 0,
    ) -> list[Generated]:
        """As `texts`, from the numbers of tokens, at least one, and the values of the net's other inputs, by blob."""
        decoder = self._decoder(count)
        first = self._fed(decoder, prompt, inputs or {})
        found = (
            self._sampled(decoder, first, count, seed) if self.p.method == "SAMPLE" else self._searched(decoder, first)
        )
        return [self._generated(h) for h in found]

    def log_p(self, target: str, text: str) -> Hypothesis:
        """The probability of a certain text, with the token that ends texts. Raises NetError as `texts`."""
        decoder, tokens = self._decoder(1), self._known()
        prompt, inputs = self._begun(text, decoder)
        log_p, total = self._fed(decoder, prompt, inputs), 0.0
        stop = self._stop()
        wanted = [*tokens.encode(target), *([] if stop is None else [stop])]
        for place, token in enumerate(wanted):
            total += float(log_p[token])
            if place < len(wanted) - 1:
                log_p = decoder.step([token], [0])[0]
        return Hypothesis(tuple(wanted), total, stop is not None)

    def score(self, found: Hypothesis) -> float:
        """As the search ranks it."""
        return found.score(self.p.length_penalty)

    # ------------------------------------------------------------ one text

    def _known(self) -> Tokens:
        if self.tokens is None:
            message = f'no Text layer fills "{self.parts.into}", so nothing says what its numbers mean'
            raise NetError(Diagnostic(NO_TEXT, message, self.p.span, help=NO_TEXT.fix))
        return self.tokens

    def _begun(self, text: str, decoder: Decoder) -> tuple[list[int], dict[str, Array]]:
        """The tokens that a text begins with, and what the first part of the net reads."""
        tokens = self._known()
        inputs = tokens.inputs(text, decoder.input_shapes)
        prompt = [] if inputs else tokens.encode(text)
        if not prompt or self.p.has("start"):
            prompt = [tokens.number(self.p.start or tokens.start), *prompt]
        return prompt, inputs

    def _decoder(self, count: int) -> Decoder:
        rows = count if self.p.method == "SAMPLE" else self.p.width
        if not 1 <= rows <= MOST_ROWS:
            message = f"{rows} texts side by side: 1 to {MOST_ROWS} are possible"
            raise NetError(Diagnostic(BAD_GENERATE, message, self.p.span))
        if rows not in self._decoders:
            self._decoders[rows] = Decoder(self.parts, self.params, rows, **self._options)
        return self._decoders[rows]

    def _fed(self, decoder: Decoder, prompt: Sequence[int], inputs: Mapping[str, ArrayLike]) -> Array:
        """Log-probabilities of what follows the prompt."""
        decoder.begin({name: np.asarray(values) for name, values in inputs.items()})
        log_p = np.zeros((1, 1))
        for token in prompt:
            log_p = decoder.step([token], [0])
        return np.asarray(log_p[0])

    def _stop(self) -> int | None:
        tokens = self.tokens
        if tokens is None:
            return None
        stop = self.p.stop or tokens.stop
        return None if stop is None else tokens.number(stop)

    def _searched(self, decoder: Decoder, first: Array) -> list[Hypothesis]:
        beam = Beam(self.p.width, self.p.most, self._stop(), self.p.length_penalty)
        return beam.search(decoder, first)

    def _sampled(self, decoder: Decoder, first: Array, count: int, seed: int) -> list[Hypothesis]:
        """Samples; number i of a seed is drawn by the same numbers however many there are."""
        how, stop = Sampling(self.p.temperature, self.p.top_k, self.p.top_p), self._stop()
        texts, live, log_p = [Hypothesis((), 0.0)] * count, list(range(count)), np.repeat(first[None], count, 0)
        parents = [0] * count
        numbers = [_uniform(seed, sample) for sample in range(count)]
        for place in range(self.p.most):
            for row, sample in enumerate(live):
                token = how.draw(log_p[row], next(numbers[sample]))
                before = texts[sample]
                total = before.log_p + float(log_p[row, token])
                texts[sample] = Hypothesis((*before.tokens, token), total, token == stop)
            parents = [(0 if place == 0 else row) for row, sample in enumerate(live) if not texts[sample].ended]
            live = [sample for sample in live if not texts[sample].ended]
            if not live or place == self.p.most - 1:
                break
            log_p = decoder.step([texts[sample].tokens[-1] for sample in live], parents)
        return texts

    def _generated(self, found: Hypothesis) -> Generated:
        tokens = found.tokens[:-1] if found.ended else found.tokens
        text = self.tokens.coder.decode(tokens) if self.tokens else ""
        return Generated(tokens, text, found.log_p, self.score(found), found.ended)


def _uniform(seed: int, sample: int) -> Iterator[float]:
    """Numbers in [0, 1) that depend on nothing else."""
    words = philox(seed, 0, (0, 0, sample, 0))
    while True:
        yield (int(words.random_raw()) >> 11) * 2.0**-53
