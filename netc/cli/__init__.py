"""The command line. One command a file: `netc/cli/<command>.py` defines `command`, a click command.

Exit codes: 0 fine; 1 the file or the run is wrong; 2 wrong usage; 130 interrupted. Data goes to stdout, everything else
to stderr.
"""

from __future__ import annotations

import importlib
import io
import pkgutil
import sys
import warnings
from difflib import get_close_matches

import click

import netc
from netc import kernel_files
from netc.cli import _streams
from netc.errors import Diagnostic, NetError, NetWarning, visible


class Commands(click.Group):
    """Finds the commands by their files and imports only the one that is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command = importlib.import_module(f"netc.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            meant = get_close_matches(args[0].lower(), self.list_commands(ctx), n=1)
            instead = f" Did you mean '{meant[0]}'?" if meant else ""
            raise click.UsageError(error.message + (instead or " `netc --help` lists them."), ctx) from None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(netc.__version__, prog_name="netc")
def cli() -> None:
    """Compile, train and run declarative, Caffe-style networks on a CPU.

    FILE is a .net file, or any Caffe .prototxt. Exit codes: 0 fine, 1 the file or the run is wrong, 2 wrong usage,
    130 interrupted.
    """


def main() -> None:
    """Entry point of the `netc` command: runs it and turns every way to fail into a message and an exit code."""
    _streams.prepare()
    code = _run()
    if (error := _streams.finish()) is not None:
        code = _cannot_print(error)
    sys.exit(code)


def _warn(warning: Diagnostic) -> None:
    from netc.cli._output import show  # noqa: PLC0415

    show([warning])


def _run() -> int:
    kernel_files.on_warning = _warn
    warnings.simplefilter("ignore", NetWarning)  # commands show what it says
    try:
        code = cli(standalone_mode=False)
    except NetError as error:
        from netc.cli._output import show  # noqa: PLC0415 - rich is not needed for --version

        show(error.diagnostics)
        return 1
    except click.ClickException as error:
        text = io.StringIO()
        error.show(text)
        sys.stderr.write(visible(text.getvalue(), keep="\n"))
        return 2
    except (click.Abort, KeyboardInterrupt):
        sys.stderr.write("interrupted\n")
        return 130
    except OSError as error:
        if error.filename is not None:  # of a file, which is a mistake of netc
            raise
        return _cannot_print(error)
    return code if isinstance(code, int) else 0


def _cannot_print(error: OSError) -> int:
    """stdout is full or closed; if only its reader has gone (`netc summary F | head`), nothing is said."""
    if not isinstance(error, BrokenPipeError):
        sys.stderr.write(_streams.not_printed(error).render() + "\n")
    return 1
