"""A real browser, where the machine has one: opens a page, does what a script says, and gives back what it told."""

from __future__ import annotations

import json
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
needs_browser = pytest.mark.skipif(
    BROWSER is None,
    reason="no Chromium is installed (apt-get install chromium), which this machine would open pages in",
)
_AROUND = """
<script>
(() => {{
  const said = {{ errors: [] }};
  addEventListener("error", (event) => said.errors.push(String(event.message)));
  const show = () => document.body.replaceChildren(
    Object.assign(document.createElement("pre"), {{ id: "said", textContent: JSON.stringify(said) }}));
  addEventListener("load", async () => {{
    try {{ said.found = await (async () => {{ {script} }})(); }} catch (error) {{ said.errors.push(String(error)); }}
    show();
  }});
}})();
</script>
"""


def told(page: Path, script: str, *, size: tuple[int, int] = (1280, 800), dark: bool = False) -> Any:
    """What a script returns in the loaded page; a mistake in the page's own scripts fails the test.

    The script runs in a copy of the page, before the page's own scripts have run; `return` ends it.
    """
    assert BROWSER is not None
    copy = page.with_name("told.html")
    copy.write_text(page.read_text(encoding="utf-8").replace("</head>", f"{_AROUND.format(script=script)}</head>", 1))
    colours = ["--blink-settings=preferredColorScheme=0"] if dark else []
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--dump-dom"]
    folder = f"--user-data-dir={page.parent / 'browser'}"
    command = [BROWSER, *flags, *colours, folder, f"--window-size={size[0]},{size[1]}", copy.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    shown = done.stdout.partition('<pre id="said">')[2].partition("</pre>")[0]
    assert shown, done.stdout[-2000:] + done.stderr[-2000:]
    said = json.loads(unescape(shown))
    assert said["errors"] == []
    return said["found"]
