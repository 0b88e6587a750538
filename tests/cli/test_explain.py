"""`netc explain`: codes, layer types and fields, and names that others use."""

import pytest

from tests.cli.conftest import Run


@pytest.mark.parametrize(
    ("name", "head", "holds"),
    [
        ("LAY002", "# LAY002:", "## Fix"),
        ("lay002", "# LAY002:", "## Fix"),
        ("ReLU", "# ReLU", "## Computes"),
        ("relu", "# ReLU", "## Computes"),
        ("num_output", "# num_output", "In `convolution_param { }` of a layer:"),
        ("lr_policy", "# lr_policy", "In `SolverParameter`:"),
    ],
)
def test_pages(run: Run, name: str, head: str, holds: str) -> None:
    done = run("explain", name)
    assert done.code == 0
    assert done.out.startswith(head)
    assert holds in done.out


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Convolutoin", "did you mean Convolution?"),
        ("maxpool", 'did you mean "Pooling"'),
        ("conv", 'did you mean "Convolution"?'),
        ("", "`netc explain --list` lists all"),
    ],
)
def test_names_that_mean_nothing(run: Run, name: str, hint: str) -> None:
    done = run("explain", name)
    assert (done.code, done.out) == (2, "")
    assert hint in " ".join(done.err.split())
