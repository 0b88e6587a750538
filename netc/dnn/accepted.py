"""What scripts say of how a net is to run: accepted, since netc decides that itself, or refused."""

from __future__ import annotations

from typing import NoReturn

from netc.dnn.errors import NO_ASYNC, refuse


class Accepted:
    """Methods of OpenCV's Net that change nothing, and one that cannot be."""

    def setPreferableBackend(self, backendId: int) -> None:
        """Accepted: netc is the backend."""

    def setPreferableTarget(self, targetId: int) -> None:
        """Accepted: netc runs on the CPU."""

    def enableFusion(self, fusion: bool) -> None:
        """Accepted: netc joins layers where it changes no number beyond rounding."""

    def enableWinograd(self, useWinograd: bool) -> None:
        """Accepted: netc chooses how to convolve."""

    def setHalideScheduler(self, scheduler: str) -> None:
        """Accepted: netc does not use Halide."""

    def forwardAsync(self, outputName: str = "") -> NoReturn:
        """Refused: raises error(RUN088), as OpenCV does without Intel's inference engine."""
        raise refuse(NO_ASYNC, "the net cannot run in the background", help="call forward")
