"""The commands under one name, and how all of them end when something is wrong."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ladderscope.cli import (
    calibrate,
    check,
    demo,
    denoise,
    evaluate,
    exporting,
    importing,
    info,
    noise,
    predict,
    report,
    train,
)
from ladderscope.cli.terminal import in_words, messages_shown, say_error
from ladderscope.errors import LadderscopeError
from ladderscope.interruption import AFTER_CTRL_C, listening
from ladderscope.memory import enough_memory

_LESS = "process fewer or smaller images at a time, or close other programs"


class PlainEnds(TyperGroup):
    """Ends every command with a plain message: exit status 1 after an error, 130 after Ctrl-C."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with messages_shown():
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
    add_completion=False,
    pretty_exceptions_enable=False,
)
training = typer.Typer(no_args_is_help=True, help="Train a model and save it.")
training.command("denoiser")(train.train_denoiser)
training.command("splitter")(train.train_splitter)
noises = typer.Typer(no_args_is_help=True, help="Measure, show and check the noise of a camera.")
noises.command("fit")(noise.fit)
noises.command("show")(noise.show)
noises.command("check")(noise.check)
imports = typer.Typer(no_args_is_help=True, help="Import a model trained by other software.")
imports.command("careamics")(importing.careamics)
exports = typer.Typer(no_args_is_help=True, help="Export a model for other software.")
exports.command("onnx")(exporting.onnx)

app.command("denoise")(denoise.denoise)
app.add_typer(training, name="train")
app.command("predict")(predict.predict)
app.command("calibrate")(calibrate.calibrate)
app.add_typer(noises, name="noise")
app.add_typer(imports, name="import")
app.add_typer(exports, name="export")
app.command("check")(check.check)
app.command("evaluate")(evaluate.evaluate)
app.command("report")(report.report)
app.command("info")(info.info)
app.command("demo")(demo.demo)


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
