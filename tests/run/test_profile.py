from netc.run.profile import peak, profile

from .test_fast import CAFFENET, make


def test_every_layer_is_timed():
    fast = make(CAFFENET)[1]
    timings = profile(fast.executor, repeats=1)
    names = {(t.layer, t.backward) for t in timings}
    assert {("c1", False), ("c1", True), ("n1", True), ("loss", False)} <= names
    assert ("c1/relu", False) not in names  # done by the convolution
    convolution = next(t for t in timings if t.layer == "c2" and not t.backward)
    assert convolution.macs == 2 * 64 * 4 * 4 * 16 * 9
    assert convolution.share(1e12) > 0
    assert any("onvolution" in kernel for kernel in convolution.kernels)


def test_the_peak_is_that_of_some_machine():
    assert 1e8 < peak(1, 0.01) < 1e13
