"""Runs a command as a user does, within the process, and tells what it printed."""

from types import SimpleNamespace

from typer.testing import CliRunner

from ladderscope.cli import app


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return SimpleNamespace(
        code=result.exit_code,
        said=" ".join(result.stderr.split()),
        shown=" ".join(result.stdout.split()),
        printed=result.stdout,
        errors=result.stderr,
    )
