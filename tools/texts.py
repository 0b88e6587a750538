"""`python -m tools.texts`: writes the texts of `nets/systems/texts/` that are made by a rule.

numbers.txt: numbers in digits, and in English words. dates.txt: dates as people write them, and in ISO 8601.
tags.txt: English sentences of a small grammar, with a tag for each word; what `her`, `that` and words like `watch` are,
only the words around them say. Each is the same on every machine; `python.txt` and `topics.txt` are Python's
documentation (nets/systems/texts/README.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

FOLDER = Path(__file__).parent.parent / "nets" / "systems" / "texts"

ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def words_of(number: int) -> str:
    """A number below a million in English words, without `and` and hyphens."""
    if number < 20:
        return ONES[number]
    if number < 100:
        return " ".join((TENS[number // 10], *([ONES[number % 10]] if number % 10 else [])))
    large, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    rest = number % large
    return " ".join((words_of(number // large), name, *([words_of(rest)] if rest else [])))


def numbers() -> Iterator[str]:
    """2,700 numbers below a hundred thousand; none stands there twice."""
    random, seen = Random(1), set[int]()
    while len(seen) < 2700:
        number = random.randrange(10 ** random.choice((2, 3, 4, 4, 5, 5, 5)))
        if number not in seen:
            seen.add(number)
            yield f"{number}\t{words_of(number)}"


def dates() -> Iterator[str]:
    """2,700 days from 1900 to 2099, each in one of six ways."""
    random, seen = Random(2), set[str]()
    while len(seen) < 2700:
        year, month, day = random.randrange(1900, 2100), random.randrange(1, 13), random.randrange(1, 29)
        name = MONTHS[month - 1]
        written = random.choice(
            (
                f"{day} {name} {year}",
                f"{name} {day}, {year}",
                f"{day}.{month}.{year}",
                f"{month}/{day}/{year}",
                f"{name[:3].lower()} {day} {year}",
                f"{day:02d} {name.upper()} {year}",
            )
        )
        if written not in seen:
            seen.add(written)
            yield f"{written}\t{year:04d}-{month:02d}-{day:02d}"


NOUNS = ["dog", "cat", "man", "woman", "child", "teacher", "river", "house", "boat", "garden", "letter", "friend"]
BOTH = ["watch", "fish", "play", "walk", "run", "call", "paint", "answer"]
"""Nouns, and verbs."""
VERBS = ["see", "know", "find", "hear", "like"]
ADJECTIVES = ["old", "young", "green", "quiet", "small", "happy"]
NAMES = ["Ann", "Bob", "Eve", "Max"]
Tagged = list[tuple[str, str]]


def tags() -> Iterator[str]:
    """2,400 sentences; none stands there twice."""
    random, seen = Random(3), set[str]()
    while len(seen) < 2400:
        found = _sentence(random)
        line = " ".join(word for word, _ in found) + "\t" + " ".join(tag for _, tag in found)
        if len(found) <= 15 and line not in seen:
            seen.add(line)
            yield line


def _sentence(random: Random) -> Tagged:
    subject = _subject(random)
    if random.random() < 0.3:  # `that` before a sentence, not before a noun
        verb = random.choice(("know", "hear", "see"))
        return [*subject, (verb, "VERB"), ("that", "CONJ"), *_clause(random)]
    return [*subject, *_predicate(random)]


def _clause(random: Random) -> Tagged:
    return [*_subject(random), *_predicate(random)]


def _predicate(random: Random) -> Tagged:
    found: Tagged = []
    if random.random() < 0.3:
        found.append((random.choice(("will", "can", "must")), "AUX"))
    found.append((random.choice((*VERBS, *BOTH)), "VERB"))
    if random.random() < 0.8:
        found += _object(random)
    if random.random() < 0.3:
        found += [(random.choice(("in", "near", "with")), "PREP"), *_phrase(random)]
    return found


def _subject(random: Random) -> Tagged:
    return [(random.choice(("we", "they", "you")), "PRON")] if random.random() < 0.5 else _phrase(random)


def _object(random: Random) -> Tagged:
    """`her` alone is a pronoun, before a noun a determiner; so is `that`."""
    pick = random.random()
    if pick < 0.25:
        return [("her", "PRON")]
    if pick < 0.35:
        return [("that", "PRON")]
    return _phrase(random)


def _phrase(random: Random) -> Tagged:
    if random.random() < 0.15:
        return [(random.choice(NAMES), "NAME")]
    found: Tagged = [(random.choice(("the", "her", "that", "this")), "DET")]
    if random.random() < 0.4:
        found.append((random.choice(ADJECTIVES), "ADJ"))
    return [*found, (random.choice((*NOUNS, *BOTH)), "NOUN")]


TEXTS: dict[str, Callable[[], Iterator[str]]] = {"numbers.txt": numbers, "dates.txt": dates, "tags.txt": tags}


def text_of(name: str) -> str:
    """The text of a file."""
    return "".join(f"{line}\n" for line in TEXTS[name]())


def main() -> None:
    for name in TEXTS:
        (FOLDER / name).write_text(text_of(name), encoding="utf-8")


if __name__ == "__main__":
    main()
