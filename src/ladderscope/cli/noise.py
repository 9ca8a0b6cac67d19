"""``ladderscope noise``: measure the noise of a camera, show it, compare it with images."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ladderscope.cli import options
from ladderscope.noise_estimation.kinds import FITTABLE, USUAL, with_signal
from ladderscope.noise_estimation.wanted import CHOSEN_KINDS
from ladderscope.words import counted, listed, rounded

if TYPE_CHECKING:
    from ladderscope.images import Image
    from ladderscope.noise_estimation import NoiseCheck

_BRIGHTEST = 1e15  # grey levels; the variance of more than that is no number


def spelled(kind: str) -> str:
    """Spell a kind of noise model as the command line does.

    Examples
    --------
    >>> spelled("poisson_gaussian")
    'poisson-gaussian'
    """
    return kind.replace("_", "-")


def kind_of(text: str) -> str:
    """Read a kind of noise model, as the command line or as Python spells it.

    Examples
    --------
    >>> kind_of("poisson-gaussian"), kind_of("poisson_gaussian")
    ('poisson_gaussian', 'poisson_gaussian')
    """
    kind = text.replace("-", "_")
    if kind not in (known := [*FITTABLE, *CHOSEN_KINDS]):
        raise typer.BadParameter(f"{text!r} is none of {', '.join(map(spelled, known))}")
    return kind


def fit(
    inputs: options.Inputs,
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", metavar="NOISE.json", help="Noise model to write: .json or .npz."
        ),
    ],
    signal: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Clean images: one per noisy image, in the same order, or one for all.",
        ),
    ] = None,
    repeats: Annotated[
        str | None,
        typer.Option(
            metavar="AXIS",
            help="Axis along which the same scene was recorded repeatedly, such as T. Files "
            "without this axis are repeats of each other.",
        ),
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            parser=kind_of,
            metavar="|".join(map(spelled, [*FITTABLE, *CHOSEN_KINDS])),
            help="Kind of noise model. auto and the correlated kinds are measured on noisy images "
            "alone, as “denoise” measures them. Without clean images or repeats, a "
            f"{listed([spelled(kind) for kind in with_signal()], 'or')} first trains a denoiser, "
            "which takes minutes.",
        ),
    ] = spelled(USUAL),
    dark: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE", help="Dark frames, to measure the black level and the read noise."
        ),
    ] = None,
    offset: Annotated[
        list[float] | None,
        typer.Option(
            metavar="N",
            help="Black level in grey levels, if known; once for all channels or once per channel.",
        ),
    ] = None,
    axes: options.Axes = None,
    level: options.Level = 0,
    missing_chunks: options.Missing = "fill",
    components: Annotated[
        int, typer.Option(min=1, max=16, help="Number of Gaussians in a mixture.")
    ] = 3,
    coefficients: Annotated[
        int,
        typer.Option(
            min=1, max=8, help="Number of coefficients per polynomial of a mixture; 2 is a line."
        ),
    ] = 2,
    denoiser: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL.ladder",
            help="Trained denoiser whose restorations serve as the clean images.",
        ),
    ] = None,
    preset: options.Preset = None,
    minutes: options.Minutes = None,
    steps: options.Steps = None,
    seed: options.Seed = None,
    device: options.DeviceName = None,
    no_picture: Annotated[
        bool, typer.Option("--no-picture", help="Do not plot the fit beside the model.")
    ] = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Measure the noise of a camera and save a noise model.

    Use it with “denoise --noise NOISE.json” for all images from this camera at these settings.
    """
    from ladderscope.cli import work
    from ladderscope.cli.preflight import check_outputs
    from ladderscope.cli.terminal import show_summary
    from ladderscope.errors import LadderscopeError
    from ladderscope.files import whole_file
    from ladderscope.images import find_images, open_images
    from ladderscope.models import measure_noise
    from ladderscope.models.load import load_denoiser
    from ladderscope.names import NOISE
    from ladderscope.noise import save_noise_model
    from ladderscope.noise.stored import NPZ_KIND
    from ladderscope.report import noise_model_figure

    model_path = NOISE.file(output)
    suffix = model_path.suffix.lower()
    if suffix == ".npz" and kind != NPZ_KIND:
        raise LadderscopeError(
            f"-o {output}: only a noise model of --kind {spelled(NPZ_KIND)} can be written as "
            f".npz; write {model_path.with_suffix('.json')}"
        )
    paths = work.find(inputs, level, missing_chunks)
    given = [*(signal or []), *(dark or [])]
    beside = find_images(given, own_outputs=True).sources if given else []
    picture = None if no_picture else model_path.with_suffix(".png")
    outputs = [model_path] if picture is None else [model_path, picture]
    named = [one for one in [*paths, *beside] if isinstance(one, Path)]
    check_outputs(outputs, named, may_replace=overwrite)
    images = open_images(paths, axes)
    first = images[0]
    if suffix == ".npz" and first.channels > 1:
        raise LadderscopeError(
            f"-o {output}: the images have {first.channels} channels, but an .npz file holds the "
            f"noise model of one; write {model_path.with_suffix('.json')}"
        )
    found = measure_noise(
        images,
        signal or None,
        kind,
        repeats=repeats,
        offset=offset[0] if offset and len(offset) == 1 else offset or None,
        dark=dark or None,
        components=components,
        coefficients=coefficients,
        preset=preset or "small",
        minutes=minutes,
        steps=steps,
        seed=seed or 0,
        device=device,
        denoiser=None if denoiser is None else load_denoiser(denoiser, device=device),
    )
    fits = found if isinstance(found, list) else [found]
    models = [one.model for one in fits]
    save_noise_model(models if isinstance(found, list) else models[0], model_path, overwrite)
    names = _channel_names(first.channel_names, len(fits))
    rows: list[tuple[str, str]] = []
    for name, one in zip(names, fits, strict=True):
        rows.append(("noise", f"{_of(name)}{replace(one, notices=()).summary()}"))
        rows += [("notice", f"{_of(name)}{text}") for text in one.notices]
    rows += _first_look(images)
    rows.append(("model", str(model_path)))
    if picture is not None:
        drawn = noise_model_figure(fits, names=names)
        with whole_file(picture, overwrite) as unfinished:
            unfinished.write_bytes(drawn)
        rows.append(("picture", str(picture)))
    show_summary(rows)


def show(
    model: Annotated[Path, typer.Argument(metavar="FILE", help="A noise model: .json or .npz.")],
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="PICTURE", help="Plot to write: .png, .svg or .pdf."
        ),
    ] = None,
    signals: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="DARK BRIGHT", help="Range of signals to show, in grey levels."),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Show a noise model: how strong the noise is, from dark to bright."""
    import math

    from ladderscope.cli.preflight import check_outputs
    from ladderscope.cli.terminal import show_summary
    from ladderscope.errors import LadderscopeError
    from ladderscope.files import whole_file
    from ladderscope.names import PICTURE
    from ladderscope.noise import NoiseModel, load_noise_model
    from ladderscope.report import noise_model_figure
    from ladderscope.report.noise_figures import moments_at, shown_range, shown_signals

    if signals is not None and not (-_BRIGHTEST <= signals[0] < signals[1] <= _BRIGHTEST):
        raise LadderscopeError(
            f"--signals {signals[0]:g} {signals[1]:g}: give a dark signal and then a brighter one, "
            f"both within ±{_BRIGHTEST:g} grey levels"
        )
    picture = None if output is None else PICTURE.file(output)
    if picture is not None:
        check_outputs([picture], [model], may_replace=overwrite)
    loaded = load_noise_model(model)
    models = [loaded] if isinstance(loaded, NoiseModel) else loaded
    names = _channel_names(None, len(models))
    rows = [("file", str(model))]
    for name, one in zip(names, models, strict=True):
        rows.append(("noise", f"{_of(name)}{one.summary()}"))
        chosen = shown_signals(signals or shown_range(one))
        variances = moments_at(one, chosen)[1]
        rows += [
            (
                "signal",
                f"{rounded(at)}: standard deviation {rounded(math.sqrt(variance))} grey levels",
            )
            for at, variance in zip(chosen.tolist(), variances.tolist(), strict=True)
        ]
    if picture is not None:
        file_format = picture.suffix.lower().removeprefix(".")
        drawn = noise_model_figure(
            models, signal_range=signals, names=names, file_format=file_format
        )
        with whole_file(picture, overwrite) as unfinished:
            unfinished.write_bytes(drawn)
        rows.append(("picture", str(picture)))
    show_summary(rows)


def check(
    inputs: options.Inputs,
    noise: options.Noise = None,
    axes: options.Axes = None,
    level: options.Level = 0,
    missing_chunks: options.Missing = "fill",
) -> None:
    """Compare the noise that a model predicts with the noise of images.

    Reports whether the model fits, underestimates or overestimates the noise, and whether the
    noise of neighbouring pixels is correlated.
    """
    from ladderscope.cli import summary, work
    from ladderscope.cli.terminal import in_words, show_summary
    from ladderscope.errors import LadderscopeError
    from ladderscope.images import open_image
    from ladderscope.models.spelled_noise import parse_noise

    given = parse_noise(noise or "auto")
    failures = []
    for path in work.find(inputs, level, missing_chunks):
        try:
            image = open_image(path, axes)
            checks = _checks(image, given)
        except (LadderscopeError, OSError) as error:
            failures.append(summary.Failure(str(path), in_words(error)))
            continue
        names = _channel_names(image.channel_names, image.channels)
        rows = [("file", str(path))]
        for name, (reasons, found, warnings) in zip(names, checks, strict=True):
            rows += [("model", f"{_of(name)}{' '.join(reasons)}")] if reasons else []
            rows.append(("noise", f"{_of(name)}{found.summary()}"))
            rows += [("warning", f"{_of(name)}{text}") for text in warnings]
        rows += _first_look([image])
        show_summary(rows)
    summary.say_failures(failures)
    if failures:
        raise typer.Exit(1)


def _first_look(images: "Sequence[Image]") -> list[tuple[str, str]]:
    """Report what the images hold that is no measurement, as far as their noise is measured."""
    from ladderscope.inspection import findings_of, gathered, measure
    from ladderscope.noise_estimation.planes import MOST_PLANES
    from ladderscope.noise_estimation.sources import evenly

    looked_at = evenly([*images], MOST_PLANES)
    findings = [one for image in looked_at for one in findings_of(measure(image, most=MOST_PLANES))]
    return [(one.label, one.text) for one in gathered(findings)]


def _checks(
    image: "Image", given: Any
) -> "list[tuple[tuple[str, ...], NoiseCheck, tuple[str, ...]]]":
    """Check each channel of an image with its model, or with the one that the images call for.

    For each channel: why its model was chosen, unless that was given, what the check found, and
    what the model does not describe.
    """
    from ladderscope.errors import LadderscopeError
    from ladderscope.noise_estimation import check as check_noise
    from ladderscope.noise_estimation.along_z import about_z, measure_along_z
    from ladderscope.noise_estimation.checking import MOST_CHECKED
    from ladderscope.noise_estimation.choice import choose
    from ladderscope.noise_estimation.sources import evenly, stacks_of
    from ladderscope.noise_estimation.wanted import wanted

    entries = given if isinstance(given, list) else [given] * image.channels
    if len(entries) != image.channels:
        raise LadderscopeError(
            f"{len(entries)} noise models are given for {counted(image.channels, 'channel')}: give "
            "one for all channels, or one per channel"
        )
    positions = evenly([*image.positions()], MOST_CHECKED)
    models: list[Any] = []
    said: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
    for channel, entry in enumerate(entries):
        asked = wanted(entry) if isinstance(entry, str) else None
        stacks = stacks_of([image], channel)
        if asked is None:
            models.append(entry)
            of_planes = about_z(measure_along_z(stacks, entry), entry)
            said.append(((), (of_planes,) if of_planes else ()))
        else:
            planes = [image.plane(position, channel) for position in positions]
            choice = choose(planes, asked, stacks=stacks)
            models.append(choice.fit.model)
            said.append((choice.reasons, choice.warnings))
    found = check_noise(image, models if "C" in image.axes else models[0])
    checks = found if isinstance(found, list) else [found]
    return [(why, check, lacks) for (why, lacks), check in zip(said, checks, strict=True)]


def _channel_names(names: Sequence[str] | None, channels: int) -> list[str]:
    """Name each channel, of several."""
    from ladderscope.images import numbered_channels

    if channels == 1:
        return [""]
    return list(names or numbered_channels(channels))


def _of(name: str) -> str:
    return f"{name}: " if name else ""
