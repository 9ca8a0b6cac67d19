"""The help: an example for every command, options in groups; and completion by the shell."""

import shlex

import pytest
import typer
from invoked import run
from typer.testing import CliRunner

from ladderscope.cli import app
from ladderscope.cli.examples import EXAMPLES


def commands(group=None, before=""):
    """List the commands by name, those of groups after the name of their group."""
    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


COMMANDS = dict(commands())


def test_every_command_has_examples():
    assert EXAMPLES.keys() == COMMANDS.keys()


@pytest.mark.parametrize(
    ("name", "example"), [(name, one) for name, ones in EXAMPLES.items() for one in ones]
)
def test_examples_are_commands_that_can_be_given(name, example):
    program, *words = shlex.split(example)
    given = words[len(name.split()) :]
    assert [program, *words[: len(name.split())]] == ["ladderscope", *name.split()]
    COMMANDS[name].make_context(name, given)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_shows_the_examples_and_offers_json(name):
    shown = run(*name.split(), "--help").shown.replace(" ", "")
    assert "Example" in shown and "--json" in shown
    assert all(example.replace(" ", "") in shown for example in EXAMPLES[name])


def test_the_options_are_in_groups():
    shown = run("denoise", "--help").printed
    assert [panel for panel in ("Output", "Images", "Training", "Noise") if f"─ {panel} ─" in shown]


@pytest.mark.parametrize(
    ("typed", "offered"), [("ladderscope pre", "predict"), ("ladderscope noise f", "fit")]
)
def test_the_shell_completes_commands(typed, offered):
    done = CliRunner().invoke(
        app,
        prog_name="ladderscope",
        env={
            "_LADDERSCOPE_COMPLETE": "complete_bash",
            "COMP_WORDS": typed,
            "COMP_CWORD": str(len(typed.split()) - 1),
        },
    )
    assert done.stdout.split() == [offered]
