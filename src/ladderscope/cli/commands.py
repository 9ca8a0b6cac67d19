"""The commands under one name, and how all of them end when something is wrong."""

import inspect
from collections.abc import Callable
from contextlib import ExitStack
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ladderscope.cli import (
    calibrate,
    check,
    choosing,
    demo,
    denoise,
    doctor,
    evaluate,
    exporting,
    importing,
    info,
    noise,
    predict,
    report,
    train,
)
from ladderscope.cli.examples import shown
from ladderscope.cli.following import followed
from ladderscope.cli.recorded import with_json
from ladderscope.cli.terminal import in_words, messages_shown, say_error
from ladderscope.errors import LadderscopeError
from ladderscope.events import Ended, tell
from ladderscope.interruption import AFTER_CTRL_C, listening
from ladderscope.memory import enough_memory

_LESS = "process fewer or smaller images at a time, or close other programs"


class PlainEnds(TyperGroup):
    """Ends every command with a plain message: exit status 1 after an error, 130 after Ctrl-C."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command, and tell whoever follows it how it ended."""
        with messages_shown(), ExitStack() as ctx.obj:
            try:
                result = self._run(ctx)
            except typer.Exit as ended:
                tell(Ended(ended.exit_code))
                raise
            tell(Ended(0))
        return result

    def _run(self, ctx: Any) -> Any:
        try:
            with listening() as requests, enough_memory("this command", _LESS):
                result = super().invoke(ctx)
        except BrokenPipeError:
            raise
        except (LadderscopeError, OSError) as error:
            say_error(in_words(error))
            raise typer.Exit(1) from error
        except KeyboardInterrupt as error:
            say_error(
                "interrupted; completed files are intact. Where the command has the option "
                "--resume, it continues from here"
            )
            raise typer.Exit(getattr(error, "status", AFTER_CTRL_C)) from error
        if requests.status:
            raise typer.Exit(requests.status)
        return result


app = typer.Typer(
    cls=PlainEnds,
    name="ladderscope",
    help="Restore fluorescence-microscopy images with ladder variational autoencoders.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
training = typer.Typer(no_args_is_help=True, help="Train a model and save it.")
noises = typer.Typer(no_args_is_help=True, help="Measure, show and check the noise of a camera.")
imports = typer.Typer(no_args_is_help=True, help="Import a model from other software.")
exports = typer.Typer(no_args_is_help=True, help="Export a model for other software.")
_GROUPS = {"": app, "train": training, "noise": noises, "import": imports, "export": exports}
_RESTORE, _KNOW, _ELSE = "Train and restore", "Images, noise and results", "Other"


def _add(name: str, command: Callable[..., None], panel: str | None = None) -> None:
    """Add a command, with its examples, and with the options that all commands have."""
    group, _, last = name.rpartition(" ")
    has_json = "json" in inspect.signature(command).parameters
    add = _GROUPS[group].command(last, epilog=shown(name), rich_help_panel=panel)
    add(followed(command if has_json else with_json(command)))


_add("denoise", denoise.denoise, _RESTORE)
app.add_typer(training, name="train", rich_help_panel=_RESTORE)
_add("train denoiser", train.train_denoiser)
_add("train splitter", train.train_splitter)
_add("predict", predict.predict, _RESTORE)
_add("calibrate", calibrate.calibrate, _RESTORE)
_add("choose", choosing.choose, _RESTORE)
_add("check", check.check, _KNOW)
app.add_typer(noises, name="noise", rich_help_panel=_KNOW)
_add("noise fit", noise.fit)
_add("noise show", noise.show)
_add("noise check", noise.check)
_add("evaluate", evaluate.evaluate, _KNOW)
_add("report", report.report, _KNOW)
_add("info", info.info, _KNOW)
app.add_typer(imports, name="import", rich_help_panel=_ELSE)
_add("import careamics", importing.careamics)
_add("import bioimage", importing.bioimage)
app.add_typer(exports, name="export", rich_help_panel=_ELSE)
_add("export onnx", exporting.onnx)
_add("export bioimage", exporting.bioimage)
_add("export careamics", exporting.careamics)
_add("demo", demo.demo, _ELSE)
_add("doctor", doctor.doctor, _ELSE)


def _show_version(wanted: bool) -> None:
    if wanted:
        from ladderscope import __version__

        typer.echo(f"Ladderscope {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass
