"""``ladderscope evaluate``: scores of restorations against the ground truth."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ladderscope.cli import options

if TYPE_CHECKING:
    from ladderscope.evaluation import ChannelScores
    from ladderscope.images import Image

_LABEL_WIDTH = 22
_COLUMN_WIDTH = 10
_NONE = "–"


class _Comparison(NamedTuple):
    """The files that are compared: the truth is one, or one per channel."""

    prediction: Path
    truths: tuple[Path, ...]
    spread: Path | None


def evaluate(
    prediction: Annotated[
        str,
        typer.Argument(
            metavar="PREDICTION", help="Restored images: a file, a folder, or a quoted pattern."
        ),
    ],
    truth: Annotated[
        list[str],
        typer.Argument(
            metavar="TRUTH",
            help="Clean images: a file, or a folder or pattern with files of the same names "
            '("a.tif" for "a_restored.ome.tif"). For split images, one argument per channel, in '
            "the order of the channels, is possible too.",
        ),
    ],
    axes: Annotated[
        str | None,
        typer.Option(
            help='Axes, such as "CYX", of the files with this number of axes; files with another '
            "number must state their own."
        ),
    ] = None,
    spread: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Spread of the prediction, if there is only one. By default "
            '"a_spread.ome.tif" is used for "a_restored.ome.tif".',
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("--json", "-o", metavar="FILE", help="Also write the scores as JSON."),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Compare restored or split images with the ground truth, per channel.

    Reports PSNR, range-invariant PSNR, SSIM, MS-SSIM, MicroSSIM and MicroMS3IM and, if there is a
    spread, how well it ranks the errors.
    """
    from ladderscope.cli.preflight import check_outputs
    from ladderscope.cli.terminal import in_words, say_error
    from ladderscope.errors import LadderscopeError
    from ladderscope.evaluation import evaluate as scores_of
    from ladderscope.images.axes import check_axes
    from ladderscope.names import SCORES

    scores_path = None if output is None else SCORES.file(output)
    if axes is not None:
        check_axes(axes, (1,) * len(axes.strip()), "--axes")
    comparisons = _comparisons(prediction, truth, axes, spread)
    if scores_path is not None:
        inputs = [path for one in comparisons for path in (one.prediction, *one.truths, one.spread)]
        check_outputs([scores_path], [path for path in inputs if path], may_replace=overwrite)
    done: list[tuple[_Comparison, tuple[ChannelScores, ...]]] = []
    failures: list[tuple[_Comparison, str]] = []
    for one in comparisons:
        try:
            scores = scores_of(
                _open(one.prediction, axes),
                [_open(path, axes) for path in one.truths],
                None if one.spread is None else _open(one.spread, axes),
            )
        except (LadderscopeError, OSError, MemoryError) as error:
            reason, name = in_words(error), str(one.prediction)
            failures.append((one, reason if name in reason else f"{name}: {reason}"))
            continue
        _show(one, scores)
        done.append((one, scores))
    if scores_path is not None and done:
        _write(scores_path, done, failures, overwrite)
    for _, reason in failures:
        say_error(reason)
    if failures:
        raise typer.Exit(1)


def _comparisons(
    prediction: str, truths: Sequence[str], axes: str | None, spread: Path | None
) -> list[_Comparison]:
    """Find the predictions, and for each its truth and its spread."""
    from ladderscope.cli.naming import output_names, outputs_in
    from ladderscope.errors import LadderscopeError
    from ladderscope.files import stem

    found = _find([prediction])
    bases = {path: stem(path).removesuffix("_restored") for path in found}
    beside_them = {
        path.with_name(f"{base}_{kind}")
        for path, base in bases.items()
        for kind in ("spread", "residual")
    }
    predictions = [path for path in found if path.with_name(stem(path)) not in beside_them]
    if spread is not None and len(predictions) > 1:
        raise LadderscopeError(
            f"--spread {spread} names one file, but there are {len(predictions)} predictions: omit "
            "it, and the _spread.ome.tif beside each prediction is used"
        )
    names = [name.removesuffix("_restored") for name in output_names(predictions)]
    matched = [
        _partners(predictions, names, _find(group))
        for group in _by_channel(predictions[0], truths, axes)
    ]
    beside = [outputs_in(path.parent, bases[path]).spread for path in predictions]
    return [
        _Comparison(path, partners, spread or (own if own.is_file() else None))
        for path, partners, own in zip(predictions, zip(*matched, strict=True), beside, strict=True)
    ]


def _by_channel(prediction: Path, truths: Sequence[str], axes: str | None) -> list[list[str]]:
    """Tell truths that are a channel each from several that hold whole images."""
    from ladderscope.errors import LadderscopeError

    if len(truths) == 1:
        return [list(truths)]
    channels = _open(prediction, axes).channels
    if channels == 1:
        return [list(truths)]
    if channels != len(truths):
        raise LadderscopeError(
            f"{prediction} has {channels} channels, but {len(truths)} truths are given: give one "
            "with all channels, or one per channel, in their order (quote patterns, so that the "
            "shell does not expand them)"
        )
    return [[truth] for truth in truths]


def _partners(
    predictions: Sequence[Path], names: Sequence[str], truths: Sequence[Path]
) -> list[Path]:
    """Find the truth of each prediction by its name; of a single pair the names do not matter."""
    import logging

    from ladderscope.cli.naming import output_names
    from ladderscope.errors import LadderscopeError
    from ladderscope.words import some

    if len(predictions) == len(truths) == 1:
        return list(truths)
    named = dict(zip(output_names(truths), truths, strict=True))
    alone = [name for name in names if name not in named]
    spare = [name for name in named if name not in names]
    if alone:
        wanted = predictions[names.index(alone[0])]
        raise LadderscopeError(
            f"there is no truth for {some(alone)}; truths without a prediction: "
            f"{some(spare) or 'none'}. Files are matched by name and, if several have the same "
            f"name, by folder: the truth for {wanted} should be called {alone[0]}.tif. Rename the "
            "files, or give a single prediction and its truth; quote patterns"
        )
    if spare:
        logging.getLogger("ladderscope").warning(
            "there is no prediction for %s: ignored", some(spare)
        )
    return [named[name] for name in names]


def _find(sources: Sequence[str]) -> list[Path]:
    from ladderscope.images import find_images

    found = find_images(sources, own_outputs=True).sources
    return [source for source in found if isinstance(source, Path)]


def _open(path: Path, axes: str | None) -> "Image":
    """Open an image with the axes that were given, if it has as many; else with its own."""
    from ladderscope.images import ImageError, open_image

    if axes is None:
        return open_image(path)
    try:
        return open_image(path, axes)
    except ImageError as error:
        try:
            return open_image(path)
        except ImageError:
            raise error from None


def _show(one: _Comparison, scores: "Sequence[ChannelScores]") -> None:
    from ladderscope.cli.terminal import show_summary
    from ladderscope.evaluation.metrics import MS_SSIM_SIDE

    small = f"needs images of at least {MS_SSIM_SIDE}×{MS_SSIM_SIDE} pixels"
    absent, absent_too = _why_no_microssim(small)
    width = max(_COLUMN_WIDTH, *(len(score.channel) for score in scores)) + 2
    rows = [("file", str(one.prediction)), *(("truth", str(path)) for path in one.truths)]
    if one.spread is not None:
        rows.append(("spread", str(one.spread)))

    def line(label: str, values: Sequence[float | None], why: str = "", form: str = ".3f") -> None:
        if all(value is None for value in values):
            shown = f"  {_NONE}  ({why})"
        else:
            cells = (_NONE if value is None else f"{value:{form}}" for value in values)
            shown = "".join(cell.rjust(width) for cell in cells)
        rows.append((label.ljust(_LABEL_WIDTH), shown))

    if len(scores) > 1:
        heads = "".join(score.channel.rjust(width) for score in scores)
        rows.append(("".ljust(_LABEL_WIDTH), heads))
    line("PSNR, dB", [score.psnr for score in scores], form=".2f")
    line("range-invariant, dB", [score.range_invariant_psnr for score in scores], form=".2f")
    line("SSIM", [score.ssim for score in scores])
    line("MS-SSIM", [score.ms_ssim for score in scores], small)
    line("MicroSSIM", [score.micro_ssim for score in scores], absent)
    line("MicroMS3IM", [score.micro_ms3im for score in scores], absent_too)
    if one.spread is not None:
        line("spread ranks errors", [score.spread_ranks_errors for score in scores])
    show_summary(rows)


def _why_no_microssim(small: str) -> tuple[str, str]:
    """Say why MicroSSIM, and why MicroMS3IM, may be missing."""
    from ladderscope.evaluation import microssim_installed

    if microssim_installed():
        return "the truth is at its maximum nearly everywhere", small
    install = 'needs the microssim package: run "pip install microssim"'
    return install, install


def _write(
    path: Path,
    done: "Sequence[tuple[_Comparison, tuple[ChannelScores, ...]]]",
    failures: Sequence[tuple[_Comparison, str]],
    overwrite: bool,
) -> None:
    """Write what was found as strict JSON, which knows no infinity: null."""
    import json
    import math
    from dataclasses import asdict

    from ladderscope.files import whole_file

    def about(one: _Comparison) -> dict[str, object]:
        return {
            "prediction": str(one.prediction),
            "truth": [str(truth) for truth in one.truths],
            "spread": None if one.spread is None else str(one.spread),
        }

    def finite(value: object) -> object:
        return None if isinstance(value, float) and not math.isfinite(value) else value

    images = [
        about(one)
        | {"channels": [{k: finite(v) for k, v in asdict(score).items()} for score in scores]}
        for one, scores in done
    ]
    failed = [about(one) | {"reason": reason} for one, reason in failures]
    text = json.dumps({"images": images, "failures": failed}, indent=2, allow_nan=False)
    with whole_file(path, overwrite) as unfinished:
        unfinished.write_text(f"{text}\n", encoding="utf-8")
