"""python -m netc.dnn script.py ARGS: runs a script with what its OpenCV's `cv2.dnn` lacks put in."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from netc.dnn.installing import install


def main() -> None:
    """Run the script as `python script.py ARGS` does: its folder is searched first, it is `__main__`."""
    if len(sys.argv) < 2:
        raise SystemExit("usage: python -m netc.dnn script.py ARGS")
    script = sys.argv[1]
    if not Path(script).is_file():
        raise SystemExit(f"{script}: there is no such file")
    try:
        install()
    except ImportError as error:
        raise SystemExit(f"the script needs OpenCV (pip install opencv-python-headless): {error}") from None
    sys.argv = sys.argv[1:]
    sys.path[0] = str(Path(script).resolve().parent)
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
