"""Numbers that the pages say in words, and what holds each: a question asked here, a test elsewhere, or somebody else.

Every number in the text of a page must stand in such words, in a part marked `measured`, or in a table marked `run`.
Words that the page no longer says fail, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from netc import untrusted
from netc.api import sized
from netc.api.definition import loads
from netc.api.planning import plan
from netc.api.sanity import LOG_FLT_MIN
from netc.api.session import Net
from netc.data import content, digits, images
from netc.fast.convolution import groups
from netc.fast.inner_product import tiles
from netc.fast.machine import emit
from netc.fast.winograd import cut
from netc.jit import helpers
from netc.kernels.average_precision import VERSIONS
from netc.language import builder, formatter, imports, limits
from netc.language.parse import MAX_SIGNS, MAX_TERMINALS
from netc.language.read import MAX_BYTES
from netc.layers import annotated_data
from netc.plan import budget
from tests.docs.pages import ROOT
from tests.docs.running import in_process
from tests.language import bombs
from tools import ordinary_user
from tools.attack import _apart, kills, readers, serving


@dataclass(frozen=True)
class Whose:
    """A fact about others, a name or a date, which netc's tests cannot hold."""

    whose: str


@dataclass(frozen=True)
class Measured:
    """What a command said once, on data or a machine that the suite does not have."""

    commit: str
    command: str


Holds = Callable[[], Any] | str | Whose | Measured
"""A question that must be answered with yes, `FILE::TEST` in tests/, whose fact it is, or when it was measured."""


def lines_of(net: str) -> int:
    """Lines of the plain text that `netc expand` makes of a net."""
    return in_process(["expand", str(ROOT / net)])[1].count("\n")


def prior_width(size: float) -> float:
    """Pixels that PriorBox's first box of this `min_size` is wide, on an image of 100."""
    text = f"""
    feature = Input() {{ shape {{ dim: [1, 1, 1, 1] }} }}
    data = Input() {{ shape {{ dim: [1, 1, 100, 100] }} }}
    boxes = PriorBox(feature, data) {{ min_size: {size} }}
    """
    left, _, right, _ = Net(loads(text), "TEST", training=False).forward()["boxes"][0, 0, :4]
    return round(float(right - left) * 100, 3)


def code(*words: str) -> int:
    """The exit code of netc with these arguments."""
    return in_process(list(words))[0]


def has(path: str, pattern: str) -> Callable[[], Any]:
    """Whether a file of the project says so."""
    return lambda: re.search(pattern, (ROOT / path).read_text(encoding="utf-8"))


DIGITS = str(ROOT / "nets/digits.net")
CODES_OF_EXIT = [(("check", DIGITS), 0), (("check", "not_there.net"), 1), (("check", "--no-such-option"), 2)]
TEST_LANGUAGE = "language/test_docs.py::test_limits"

CLAIMS: dict[str, dict[str, Holds]] = {
    "README.md": {
        "`netc expand` gives the 6,101 lines": lambda: lines_of("nets/resnet152.net") == 6101,
        "Of 357 network files that people published, all 126 nets": Measured("2f312b1", "python tools/corpus.py DIR"),
        "python3 (3.11 or later, with venv)": has("pyproject.toml", r'requires-python = ">=3\.11"'),
        "1,797 real handwritten digits": lambda: sum(len(digits.split(name)[1]) for name in ("train", "test")) == 1797,
        "ResNet-18 to 152": lambda: (
            {p.stem for p in (ROOT / "nets").glob("resnet*.net")} == {f"resnet{n}" for n in (18, 34, 50, 101, 152)}
        ),
        "0 fine, 1 the file or the run is wrong, 2 wrong usage, 130 interrupted": lambda: all(
            code(*words) == expected for words, expected in CODES_OF_EXIT
        ),
    },
    "CONTRIBUTING.md": {
        "as user 65534": lambda: ordinary_user.USER == 65534,
        "(under 300 lines, never over 500)": "test_architecture.py::test_files_stay_small",
    },
    "ARCHITECTURE.md": {
        "makes version 1 of `conv1`": "test_graph.py::test_every_top_is_a_value_and_in_place_is_a_version",
    },
    "docs/data.md": {
        "The second top is 1 x 1 x rows x 8": "data/test_annotated.py::test_images_and_boxes",
        "(256 for each image": lambda: annotated_data.MOST_BOXES == 256,
        "1,797 handwritten digits": lambda: sum(len(digits.split(name)[1]) for name in ("train", "test")) == 1797,
        "after 2,000 iterations is 98.55 %": Measured("9c213b5", "netc train nets/mnist/lenet.net --executor fast"),
        "after each of the steps 1 to 3": Whose("what SSD's data layer does"),
        "(11point, MaxIntegral or Integral)": lambda: set(VERSIONS) == {"11point", "MaxIntegral", "Integral"},
        "the bytes of up to 64 records": lambda: content.SAMPLES == 64,
        "more than 80 million pixels": lambda: images.MOST_PIXELS == 80_000_000,
    },
    "docs/finetuning.md": {
        "`lr_mult: 0.5` for them, 1 for the last layer": has("docs/finetuning.md", "early: 0.5 late: 0.5"),
        "sets the last layer's `lr_mult` to 10": Whose("Caffe's example finetune_flickr_style"),
        "on 400 digits after 100 iterations": has("docs/finetuning.md", r"max_iter: 100\n  test_iter: 4"),
    },
    "docs/language.md": {
        "at most 8 MB and 500,000 names, numbers and signs": TEST_LANGUAGE,
        "Blocks may be nested 100 deep": lambda: builder.MAX_DEPTH == 100,
        "must fit in 64 bits": "language/test_docs.py::test_claims",
        "for each 64 characters, a list behind a name for each 64 items, a layer as five, an imported file for each 8 "
        "characters": lambda: (
            (
                limits.CHARACTERS_OF_A_STEP,
                limits.STEPS_OF_A_LAYER,
                imports.CHARACTERS_OF_AN_IMPORT,
            )
            == (64, 5, 8)
        ),
        "at most 120 characters long": lambda: formatter.WIDTH == 120,
    },
    "docs/opencv.md": {
        "OpenCV 5 has no `readNetFromCaffe`": Whose("OpenCV"),
        "under OpenCV 5 its `readNet`": "dnn/test_runner.py::test_what_opencv_has_for_its_own_nets_goes_on_to_work",
        "in `cv2` itself under OpenCV 5": "dnn/test_runner.py::test_what_opencv_has_for_its_own_nets_goes_on_to_work",
        "under OpenCV 5 by `python -m netc.dnn`": Whose("OpenCV"),
        "under 4.12 as they are": Whose("OpenCV"),
        "by up to 2.4e-6 for values from 0 to 1": Whose("OpenCV and Intel's IPP"),
        "numbers that OpenCV 4.12 computed": "dnn/test_golden.py::test_as_opencv",
        "Layers are counted from 1": "dnn/test_golden.py::test_as_opencv",
        "gives 1 x 1 x (images * keep_top_k) x 7": "dnn/test_golden.py::test_as_opencv",
        "OpenCV 4.12 goes on with those of before": Whose("OpenCV"),
        "in OpenCV 1 x n": Whose("OpenCV"),
        "PriorBox cuts `min_size: 51.2` to 51": lambda: prior_width(51.2) == 51,
    },
    "docs/serving.md": {
        "one that has waited 2 seconds": "api/test_pool.py::test_a_thread_that_waits_too_long_is_told_so",
        "answer 503 then": Whose("HTTP"),
        "the programs of the last 8 sizes": lambda: sized.MOST_PROGRAMS == 8,
        "from 64 threads": lambda: serving.CLIENTS == 64,
    },
    "docs/cluster.md": {
        "the exit code is 130": "solve/test_mpi.py::test_sigterm_to_the_launcher_snapshots",
        "the first rank snapshots, exit code 130": "solve/test_mpi.py::test_sigterm_to_the_launcher_snapshots",
        "the exit code is not 0": "attack/test_ranks.py::test_ranks",
        "all end with exit code 1": "solve/test_mpi.py::test_what_all_ranks_find_is_said_once",
        "after `--mpi-timeout` seconds (30)": has("netc/cli/_ranks.py", "default=30.0"),
        "keeps 90 % of its speed": has("netc/solve/scaling.py", "wanted: float = 0.9"),
    },
    "docs/performance.md": {
        "Channels lie in blocks of 16": lambda: emit.LANES == 16,
        "up to 32 of them": lambda: groups.MOST == 32,
        "up to 28 vectors of sums": has("netc/fast/machine/emit.py", '"avx512": 28'),
        "(F(4x4, 3x3), F(4x4, 5x5)": "fast/test_winograd.py::test_convolution_and_its_gradients",
        "up to 12 x 12": lambda: cut.LARGEST == 12,
        "pieces of 4 x 4": "fast/test_winograd.py::test_convolution_and_its_gradients",
        "Convolution of 1x1 to few channels": "fast/test_conv_to_few.py::test_only_where_blocks_would_be_mostly_empty",
        "only for 3x3 and 5x5": "fast/test_winograd.py::test_what_is_not_supported",
        "convolutions of stride 1": "fast/test_winograd.py::test_what_is_not_supported",
        "1e-4 of the largest value at most": "run/test_fast_winograd.py::test_nets_agree_with_the_reference",
        "So 1, 2 or 8 threads give the same bits": (
            "fast/test_winograd.py::test_any_number_of_threads_gives_the_same_bits"
        ),
        "holds the cases of BVLC Caffe to 1e-5": "run/test_fast_golden.py::test_case",
        "to the same bits with 1, 2 and 3 threads": "run/test_threads.py::test_the_same_bits_after_20_iterations",
        "at most 5 % more than what lives at once": "run/test_memory.py::test_so_does_every_net_of_the_gallery",
        "(Chen et al. 2016)": Whose("a paper"),
        "`exact`: no Winograd, so 1e-5 instead of 1e-4": "run/test_fast_winograd.py::test_exact_never_comes_here",
        "and a batch of 1 to 9": "attack/test_nets.py::test_every_layer_type_can_be_a_graft",
        "is reckoned as 40 multiply-adds": lambda: budget.VALUE_COST == 40,
        "in parts of 2 MB": lambda: tiles.PART_BYTES == 2 << 20,
        "one for each core, at most 4": lambda: helpers.MOST == 4,
        "each 33 million multiply-adds": has("netc/run/environment.py", "THREAD_WORK = 1 << 25"),
        "less than 8 KiB is done by one thread": has("netc/fast/program/order.py", "ALONE_BYTES = 1 << 13"),
        "for 30 microseconds": has("netc/fast/machine/walk.py", "SPINS = 2000  # some 30 us"),
    },
    "docs/pycaffe.md": {
        "each new net gets the next one, from 0 on": (
            "caffe/test_net_changes.py::test_new_nets_start_differently_unless_seeded"
        ),
        "A declared size of 1x1 that no layer can work on": "caffe/test_sizes.py::test_a_size_of_1x1_stands_for_any",
    },
    "docs/reliability.md": {
        "ends with 1 if anything did": "attack/test_tally.py::test_counts_and_failures",
        "unpack to 64 MiB and 100 bytes for each of its own": lambda: (
            (untrusted.ROOM, untrusted.RATIO) == (64 << 20, 100)
        ),
        "(4 bytes a pixel; beyond 80 million pixels": (
            "attack/test_readers.py::test_large_images_are_decoded_if_their_file_is_large_too"
        ),
        "damages sound files of 30 kinds": "attack/test_readers.py::test_a_short_run",
        "more than 5 s of the processor or 512 MB": lambda: (readers.SECONDS, _apart.PEAK) == (5, 512 << 20),
        "At 0051d20 that took 0 to 1.3 % of the time": Measured("0051d20", "netc time NET"),
        "CLI004 on stderr, exit code 1": "attack/test_streams.py::test_streams_that_are_lost",
        "without a word, exit code 1": "attack/test_streams.py::test_streams_that_are_lost",
        "(1 to 3 threads, to the same bits)": "attack/test_nets.py::test_every_way_of_running_a_net_gives_its_numbers",
    },
    "docs/security.md": {
        "is made with mode 0700, files with 0600": "test_kernel_files.py::test_what_is_made_is_this_users_alone",
        "mode 0600, made on first use": "test_kernel_files.py::test_the_secret",
    },
    "docs/text.md": {
        "is token 0.": "data/text/test_vocabulary.py::test_files_read_back",
        "`cont` is 0 where a stream begins": "data/text/test_forms.py::test_running_text_in_streams",
        "`mask`, which is 1 where there are words": "data/text/test_forms.py::test_pairs",
        "is filling, token 0, which a loss": "data/text/test_forms.py::test_pairs",
        "counts 1 / D in COOCCURRENCE": "data/text/test_forms.py::test_how_often_words_stand_together",
        "for `cont` is 0 at the first token": "api/generation/test_decoder.py::test_states_are_carried",
    },
    "docs/training.md": {
        "(Han et al. 2015)": Whose("the paper"),
        "of Zhu & Gupta (2017): after": Whose("the paper"),
        "the share is s (1 - (1 - t / n)^3)": "solve/test_stages.py::test_the_schedule_is_that_of_zhu_and_gupta",
        "the 400 digits that the net has not seen": lambda: plan(DIGITS, "TEST").shapes[0][0] * 4 == 400,
        "the 10,000 digits of MNIST's test set: 8,000 to train, 2,000 to test": Whose("MNIST"),
        "exits with 130": "cli/test_train.py::test_ctrl_c_stops_after_the_iteration_and_snapshots",
        "the exit code is 1 then": "cli/test_train.py::test_one_batch_is_learned_by_heart_or_not",
        "pixels of 0..255 that nothing centres": "api/test_first_look.py::test_pixels_as_they_are",
        "far from -log(1/K)": "api/test_sanity.py::test_the_first_loss_is_compared_with_a_guess",
        "so is 87.3365": lambda: "87.3365" in LOG_FLT_MIN.title,
        "the others are predicted, and the exit code is 1": "cli/test_predict.py::test_from_training_to_predictions",
        "a snapshot every 5 iterations": lambda: kills.EVERY == 5,
    },
    "docs/diagnostics/robustness.md": {
        "within two seconds of processor time and 512 MB": lambda: bombs.MOST_BYTES == 512 << 20,
        "(Python 3.11), at commits f8a1903 (fuzzing) and 0dfa1c7 (the rest)": Whose("when it was measured"),
        "holds 95 texts": lambda: len(bombs.BOMBS) == 95,
        "10^5 open braces": lambda: bombs.DEPTH == 10**5,
        "that may have 512 MB of address space": "language/test_bounds.py::test_bombs",
        "A file of 100 MB is refused unread": (
            "language/test_bounds.py::test_of_large_files_no_more_is_read_than_they_may_have"
        ),
        "(8 MB; 500,000 names, numbers and signs; 50,000 backslashes and `${`)": lambda: (
            (
                MAX_BYTES,
                MAX_TERMINALS,
                MAX_SIGNS,
            )
            == (8 << 20, 500_000, 50_000)
        ),
        "64 characters of a string, 8 characters of an imported file": lambda: (
            (
                limits.CHARACTERS_OF_A_STEP,
                imports.CHARACTERS_OF_AN_IMPORT,
            )
            == (64, 8)
        ),
        "published nets have 60,000 names, numbers and signs": Measured("0dfa1c7", "python -m tools.round_trip FOLDER"),
        "takes 14 % of what an expansion may do": Measured("0dfa1c7", "netc expand nets/resnet152.net"),
    },
}
