"""`hark`: finds the command, runs it, and turns every error into a sentence and an exit code.

Only this module knows how errors are shown. Exit codes: 0 done, 1 failed, 2 usage,
3 environment, 4 wrong passphrase or damaged store, 5 unreachable or timed out, 6 refused by a
check. The module of a command is loaded when the command is run, and no other.
"""

import os
import sys
import traceback
from importlib import import_module
from typing import Annotated

import typer
from typer.exceptions import TyperException

import hark
from hark.app.cli.command import Command
from hark.app.cli.options import GlobalOptions
from hark.app.cli.output import complain
from hark.app.cli.table import COMMANDS
from hark.control.problems import sentence_of
from hark.errors import EXIT_FAILED, HarkError

EXIT_INTERRUPTED = 130
"""128 + SIGINT, as shells count."""
NEEDS_VALUE = "--profile"
"""The one option before the command's name that takes a value."""


def main() -> None:
    """Run `hark` with the arguments of this process."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run `hark`; return the exit code. Errors have been shown as sentences."""
    if arguments[:1] == ["supernode"]:
        # Another program: it does not contain the parts that read messages.
        rest = arguments[1:] or ["run"]
        program = [sys.executable, "-m", "hark.supernode", *rest]
        os.execv(sys.executable, program)  # noqa: S606 (no shell is wanted)
    options = GlobalOptions()
    try:
        code = _dispatch(arguments, options)
        # Here, so that a reader who has gone is noticed while it can still be answered.
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read us has seen enough; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    except TyperException as error:
        return _usage(error)
    except Exception as error:
        if options.traceback:
            traceback.print_exc()
        return show_error(error)
    return code


def show_error(error: Exception) -> int:
    """Say in one sentence what went wrong; return the exit code."""
    if isinstance(error, HarkError):
        detail = f" ({error})" if str(error) else ""
        complain(sentence_of(error) + detail)
        return error.exit_code
    complain(
        f"Something went wrong that is not your fault: {type(error).__name__}. "
        "`hark --traceback …` shows where; please report it."
    )
    return EXIT_FAILED


def load(name: str) -> Command:
    """Load the module of one command."""
    command = import_module(f"hark.app.cli.{COMMANDS[name].module}").COMMAND
    assert isinstance(command, Command)
    return command


def build(arguments: list[str]) -> typer.Typer:
    """Return the program: the command that is named is real, the others are lines of help."""
    app = typer.Typer(name="hark", no_args_is_help=True, add_completion=False)
    app.callback()(_global_options)
    named = _named_command(arguments)
    for name, entry in COMMANDS.items():
        if name == named:
            command = load(name)
            app.command(name, epilog=f"Example: {command.example}")(command.run)
        else:
            app.command(name, help=entry.summary)(_not_loaded)
    return app


def _dispatch(arguments: list[str], options: GlobalOptions) -> int:
    program = typer.main.get_command(build(arguments))
    code = program.main(arguments, prog_name="hark", standalone_mode=False, obj=options)
    return code if isinstance(code, int) else 0


def _global_options(
    context: typer.Context,
    profile: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            envvar="HARK_PROFILE",
            help="Which account of this user; without it the one named default.",
        ),
    ] = "",
    show_traceback: Annotated[
        bool, typer.Option("--traceback", help="Show where an unexpected error arose.")
    ] = False,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=lambda value: _show_version(asked=value)
        ),
    ] = False,
) -> None:
    """Messages that only the people in them can read, from person to person.

    Begin with `hark demo`, or with `hark init`.
    """
    options = context.obj
    assert isinstance(options, GlobalOptions)
    options.profile = profile
    options.traceback = show_traceback


def _show_version(*, asked: bool) -> None:
    if asked:
        print(f"hark {hark.__version__}")
        raise typer.Exit


def _not_loaded() -> None:
    raise AssertionError("the command that is run is the one that was loaded")


def _named_command(arguments: list[str]) -> str | None:
    """Return the first argument that is neither an option nor the value of one."""
    previous = ""
    for argument in arguments:
        if not argument.startswith("-") and previous != NEEDS_VALUE:
            return argument
        previous = argument
    return None


def _usage(error: TyperException) -> int:
    # Without a command the help has been shown, and there is nothing to add.
    if message := error.format_message():
        complain(f"{message}\nTry `hark --help`, or `hark COMMAND --help`.")
    return error.exit_code
