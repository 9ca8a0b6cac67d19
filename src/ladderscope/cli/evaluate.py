"""``ladderscope evaluate``: scores of restorations against the ground truth."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ladderscope.cli import options
from ladderscope.cli.scores import Compared, Comparison

if TYPE_CHECKING:
    from ladderscope.evaluation.spread import Factor
    from ladderscope.images import Image
    from ladderscope.noise import NoiseModel


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
    truth_noise: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Noise model of the truth, from “ladderscope noise fit”, for coverage that allows "
            "for the truth's own noise.",
        ),
    ] = None,
    truth_frames: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Number of frames averaged for the truth, where the noise model is that of one.",
        ),
    ] = None,
    json: Annotated[
        str | None,
        typer.Option("--json", "-o", metavar="FILE", help="Also write the scores as JSON."),
    ] = None,
    csv: Annotated[
        str | None,
        typer.Option(
            "--csv", metavar="FILE", help="Also write the scores as CSV, a row per channel."
        ),
    ] = None,
    picture: Annotated[
        str | None,
        typer.Option(
            "--picture",
            metavar="FILE",
            help="Also draw reliability diagrams of the spread: a .png, .svg or .pdf file.",
        ),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Compare restored or split images with the ground truth, per channel.

    Reports PSNR, range-invariant PSNR, SSIM, MS-SSIM, MicroSSIM and MicroMS3IM and, if there is a
    spread, whether its intervals cover what they should, and how well it ranks the errors.
    """
    from ladderscope.cli import scores
    from ladderscope.cli.preflight import check_outputs
    from ladderscope.cli.terminal import in_words, say_error
    from ladderscope.errors import LadderscopeError
    from ladderscope.evaluation import evaluate as scores_of
    from ladderscope.images.axes import check_axes
    from ladderscope.names import PICTURE, SCORES, TABLE

    wanted = [
        (kind.file(name), write)
        for name, kind, write in (
            (json, SCORES, scores.write_json),
            (csv, TABLE, scores.write_csv),
            (picture, PICTURE, scores.write_picture),
        )
        if name is not None
    ]
    if axes is not None:
        check_axes(axes, (1,) * len(axes.strip()), "--axes")
    noise = _truth_noise(truth_noise, truth_frames)
    comparisons = _comparisons(prediction, truth, axes, spread)
    if picture is not None and not any(one.spread for one in comparisons):
        raise LadderscopeError(
            "--picture draws the reliability of the spread, but no prediction has one: name it "
            "with --spread"
        )
    inputs = [path for one in comparisons for path in (one.prediction, *one.truths, one.spread)]
    outputs = [path for path, _ in wanted]
    check_outputs(outputs, [path for path in inputs if path], may_replace=overwrite)
    done: list[Compared] = []
    failures: list[tuple[Comparison, str]] = []
    for one in comparisons:
        try:
            found = scores_of(
                _open(one.prediction, axes),
                [_open(path, axes) for path in one.truths],
                None if one.spread is None else _open(one.spread, axes),
                factors=_factors(one.spread),
                truth_noise=noise,
                truth_frames=truth_frames or 1,
            )
        except (LadderscopeError, OSError, MemoryError) as error:
            reason, name = in_words(error), str(one.prediction)
            failures.append((one, reason if name in reason else f"{name}: {reason}"))
            continue
        scores.show(one, found)
        done.append((one, found))
    for path, write in wanted:
        if done:
            write(path, done, failures, overwrite)
    for _, reason in failures:
        say_error(reason)
    if failures:
        raise typer.Exit(1)


def _factors(spread: Path | None) -> "Factor | list[Factor]":
    """Find the width of the intervals: as the file of the spread says, or that of a normal one."""
    from ladderscope.evaluation import interval_factor
    from ladderscope.images.metadata import description_of
    from ladderscope.models.interval_record import intervals_recorded

    recorded = [] if spread is None else intervals_recorded(description_of(spread))
    if len(recorded) > 1:
        return recorded
    return recorded[0] if recorded else interval_factor


def _truth_noise(path: Path | None, frames: int | None) -> "NoiseModel | list[NoiseModel] | None":
    from ladderscope.errors import LadderscopeError
    from ladderscope.noise import load_noise_model

    if path is not None:
        return load_noise_model(path)
    if frames is not None:
        raise LadderscopeError(
            f"--truth-frames {frames} needs the noise of a single frame: give --truth-noise, a "
            "file from “ladderscope noise fit”"
        )
    return None


def _comparisons(
    prediction: str, truths: Sequence[str], axes: str | None, spread: Path | None
) -> list[Comparison]:
    """Find the predictions, and for each its truth and its spread."""
    from ladderscope.cli.naming import output_names, spread_of
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
            "it, and the _spread image beside each prediction is used"
        )
    names = [name.removesuffix("_restored") for name in output_names(predictions)]
    matched = [
        _partners(predictions, names, _find(group))
        for group in _by_channel(predictions[0], truths, axes)
    ]
    return [
        Comparison(path, partners, spread or spread_of(path))
        for path, partners in zip(predictions, zip(*matched, strict=True), strict=True)
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
    named = dict(zip(map(_composed, output_names(truths)), truths, strict=True))
    names = [*map(_composed, names)]
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


def _composed(name: str) -> str:
    """Write accented letters in one way: macOS may have taken them apart in one of two names."""
    import unicodedata

    return unicodedata.normalize("NFC", name)


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
