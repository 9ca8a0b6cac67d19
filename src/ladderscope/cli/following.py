"""Who follows a command: people, who may want less of it, and programs."""

import inspect
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from typing import Annotated, Any

import typer

from ladderscope.cli.options import OUTPUT

Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="Print results, warnings and errors only.",
        rich_help_panel=OUTPUT,
    ),
]
LogJson = Annotated[
    str | None,
    typer.Option(
        "--log-json",
        metavar="FILE",
        help="Add what happens to a file, one JSON object per line; - writes that to standard "
        "error, in place of all messages.",
        rich_help_panel=OUTPUT,
    ),
]
_NUMBERS_OF_PROCESSES = ("RANK", "LOCAL_RANK", "SLURM_PROCID")


def followed(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options ``--quiet`` and ``--log-json``.

    They hold until the context of the outermost command is closed, which `ExitStack` is its object.
    """
    own = inspect.signature(command).parameters.values()
    kind = inspect.Parameter.KEYWORD_ONLY
    added = [
        inspect.Parameter("invoked", kind, annotation=typer.Context),
        inspect.Parameter("quiet", kind, default=False, annotation=Quiet),
        inspect.Parameter("log_json", kind, default=None, annotation=LogJson),
    ]

    @wraps(command)
    def run(invoked: typer.Context, quiet: bool, log_json: str | None, **given: Any) -> None:
        _follow(invoked.find_object(ExitStack), quiet, None if _is_one_of(given) else log_json)
        command(**given)

    parameters = [*(one.replace(kind=kind) for one in own), *added]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


def _follow(held: ExitStack | None, quiet: bool, log_json: str | None) -> None:
    from ladderscope import __version__
    from ladderscope.cli.json_log import STANDARD_ERROR, logged_as_json
    from ladderscope.cli.terminal import nothing_shown, only_warnings_shown
    from ladderscope.events import Started, tell

    if held is None:
        return
    if quiet:
        held.enter_context(only_warnings_shown())
    if log_json is not None:
        held.enter_context(logged_as_json(log_json))
        tell(Started(tuple(sys.argv[1:]), __version__))
        if log_json == STANDARD_ERROR:
            held.enter_context(nothing_shown())


def _is_one_of(given: dict[str, Any]) -> bool:
    """Say whether this is a further process of a training on several devices."""
    several = given.get("devices", 1) * given.get("nodes", 1) > 1
    return several and any(os.environ.get(name, "0") != "0" for name in _NUMBERS_OF_PROCESSES)
