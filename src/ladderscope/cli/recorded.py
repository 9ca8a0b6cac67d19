"""The summary of a command as JSON, for other programs: the option ``--json`` of most commands."""

import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Annotated, Any

import typer

from ladderscope.cli.options import OUTPUT

TO_STDOUT = "-"

SummaryFile = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="FILE",
        help="Also write the summary as JSON; - prints it in place of the text.",
        rich_help_panel=OUTPUT,
    ),
]


def with_json(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option ``--json``, which records what the command sums up.

    Parameters
    ----------
    command
        A command, as Typer reads it.

    Returns
    -------
    Callable
        The command with one more option.
    """
    option = inspect.Parameter(
        "json", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=SummaryFile
    )
    parameters = [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for one in (*inspect.signature(command).parameters.values(), option)
    ]

    @wraps(command)
    def run(json: str | None = None, **given: Any) -> None:
        with _recorded(json, bool(given.get("overwrite"))):
            command(**given)

    run.__annotations__ = {one.name: one.annotation for one in parameters}
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


@contextmanager
def _recorded(target: str | None, overwrite: bool) -> Iterator[None]:
    """Write what the block sums up as JSON, however it ends."""
    if target is None:
        yield
        return
    from ladderscope.cli.preflight import check_outputs
    from ladderscope.cli.terminal import in_words, summary_recorded
    from ladderscope.errors import LadderscopeError
    from ladderscope.files import whole_file
    from ladderscope.names import SUMMARY

    path = None if target == TO_STDOUT else SUMMARY.file(target)
    if path is not None:
        check_outputs([path], [], may_replace=overwrite)
    with summary_recorded(instead=path is None) as record:
        try:
            yield
        except (LadderscopeError, OSError) as error:
            record.errors.append(in_words(error))
            raise
        finally:
            text = json.dumps(_plain(record.summaries, record.errors), indent=2, ensure_ascii=False)
            if path is None:
                typer.echo(text)
            else:
                with whole_file(path, overwrite) as unfinished:
                    unfinished.write_text(f"{text}\n", encoding="utf-8")


def _plain(summaries: list[list[tuple[str, str]]], errors: list[str]) -> dict[str, Any]:
    """Give what JSON holds: of each summary, the texts under each label.

    Examples
    --------
    >>> _plain([[("file", "a.tif"), ("warning", "dark"), ("warning", "small")]], [])["summaries"]
    [{'file': ['a.tif'], 'warning': ['dark', 'small']}]
    """
    from ladderscope import __version__

    found: list[dict[str, list[str]]] = []
    for rows in summaries:
        labels: dict[str, list[str]] = {}
        for label, text in rows:
            labels.setdefault(label.strip(), []).append(text)
        found.append(labels)
    return {"ladderscope": __version__, "summaries": found, "errors": errors}
