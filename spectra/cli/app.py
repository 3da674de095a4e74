"""The command line's frame: one command after another, one sentence for every error.

Exit status: 0 fine, 1 error, 2 usage (a wrong command line or recipe), 3 finished with spectra that failed.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from spectra.errors import RecipeError, SpectraError

__all__ = ["ERROR", "FAILED_SPECTRA", "INTERRUPTED", "USAGE", "app", "fail", "main"]

ERROR, USAGE, FAILED_SPECTRA, INTERRUPTED = 1, 2, 3, 130


class _OneSentence(TyperGroup):
    """Turns what a command raises into one sentence on stderr and the exit status it means."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Commands in the order in which somebody new needs them."""
        order = ("demo", "inspect", "run", "rerun", "report", "export", "list", "init", "doctor")
        return sorted(self.commands, key=lambda name: order.index(name) if name in order else len(order))

    def invoke(self, ctx: Any) -> Any:
        if ctx.params.get("debug"):
            return super().invoke(ctx)
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _say_warning
                return super().invoke(ctx)
        except RecipeError as error:
            fail(str(error), USAGE)
        except SpectraError as error:
            fail(str(error), ERROR)
        except KeyboardInterrupt as stop:
            status = 128 + getattr(stop, "signal", INTERRUPTED - 128)
            fail(
                str(stop)
                or "Interrupted: nothing is half-written, and what stood there before is as it was.",
                status,
            )
        except BrokenPipeError:  # the reader of our output (head, less) has gone
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(ERROR) from None
        except OSError as error:
            named = f"{error.filename}: " if error.filename else ""
            fail(f"{named}{error.strerror or error}.", ERROR)
        except MemoryError:
            fail("Not enough memory for this many spectra at once: run them in parts.", ERROR)
        except Exception as error:
            if hasattr(error, "exit_code"):  # the command line's own, which know their status
                raise
            fail(f"Unexpected {type(error).__name__}: {error}. `spectra --debug ...` shows where.", ERROR)


app = typer.Typer(
    name="spectra",
    cls=_OneSentence,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status: 0 fine, 1 error, 2 usage, 3 finished with spectra that failed.",
)


def _say_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    typer.echo(f"spectra: {message}", err=True)


def fail(sentence: str, status: int) -> NoReturn:
    """Say ``sentence`` on stderr and end with ``status``."""
    typer.echo(f"spectra: {sentence}", err=True)
    raise typer.Exit(status)


def _version(wanted: bool) -> None:
    if wanted:
        import importlib.metadata

        typer.echo(f"redox-spectra {importlib.metadata.version('redox-spectra')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the whole traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Spectra of battery oxides: from raw files to numbers with uncertainties, in one file that re-runs itself.

    Start with [bold]spectra demo[/bold], then [bold]spectra inspect[/bold] your own files and
    [bold]spectra run[/bold] a recipe on them.
    """


def main() -> None:
    """Run the command line."""
    app()


# The commands register themselves on ``app``; each module imports what it needs only when its command runs.
from spectra.cli import analysis, catalogue, demonstration, health, long_series  # noqa: E402, F401
