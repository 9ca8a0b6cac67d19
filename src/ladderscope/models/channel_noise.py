"""The noise model of each channel that a restorer is trained on: given, or measured."""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ladderscope.data import Field, planes_of
from ladderscope.errors import LadderscopeError
from ladderscope.events import NoiseMeasured, tell
from ladderscope.images.stored import Pixels
from ladderscope.inspection import about_correlation
from ladderscope.interruption import ShouldStop, stop_if
from ladderscope.noise import Gaussian, NoiseError, NoiseModel
from ladderscope.noise_estimation.along_z import about_z, measure_along_z
from ladderscope.noise_estimation.black_levels import (
    PLANES_OF_A_FILE,
    about_black_levels,
    told_apart,
)
from ladderscope.noise_estimation.choice import NoiseChoice, choose
from ladderscope.noise_estimation.planes import MOST_PLANES
from ladderscope.noise_estimation.wanted import CHOSEN, WANTED, Wanted, wanted
from ladderscope.words import listed as listed_names

logger = logging.getLogger("ladderscope")

Noise: TypeAlias = str | NoiseModel | Sequence[str | NoiseModel]
_PLANES_CHECKED = 8


def listed(noise: Noise) -> list[Any] | None:
    """List what was given for each channel, or None where one thing was given for all."""
    return None if isinstance(noise, str) or not isinstance(noise, Sequence) else list(noise)


def is_blank(planes: Iterable[NDArray[Any]]) -> bool:
    """Tell whether no plane of a channel shows anything, so that it has no noise."""
    return all(np.ptp(plane) == 0 for plane in planes)


def check_noise(noise: Noise) -> None:
    """Refuse what is neither a noise model nor the name of one, nor a list of these.

    Raises
    ------
    LadderscopeError
        It is something else.
    """
    for entry in [noise] if (entries := listed(noise)) is None else entries:
        if not isinstance(entry, NoiseModel) and not (
            isinstance(entry, str) and wanted(entry) is not None
        ):
            names = listed_names([repr(one.name) for one in WANTED], "or")
            raise LadderscopeError(
                f"noise={entry!r}: give {names}, a noise model such as "
                "ladderscope.noise.Gaussian(sigma=3.0), or a list with one per channel"
            )


def channel_noise(
    noise: Noise,
    fields: Sequence[Sequence[Field]],
    names: Sequence[str],
    files: Sequence[Sequence[str]],
    notice: Callable[[str, int], None],
    *,
    structured: bool,
    should_stop: ShouldStop | None = None,
) -> tuple[list[NoiseModel], list[NoiseChoice | None]]:
    """Take or measure the noise of each channel.

    Parameters
    ----------
    noise
        What was given: a noise model, ``"auto"`` or the name of a law to measure, for all channels
        or one per channel.
    fields, names
        The fields of each channel, as recorded, and its name.
    files
        The paths of the images of each channel, or their names.
    notice
        Takes what there is to say, and its level.
    structured
        Whether the network is made for correlated noise: then correlation draws no warning.
    should_stop
        Called between two channels; True ends the measurement.

    Returns
    -------
    noise models, and choices
        One per channel; the choice is None where the noise model was given.

    Raises
    ------
    LadderscopeError
        There are not as many noise models as channels.
    NoiseError
        The noise of a channel cannot be measured.
    StopRequested
        `should_stop` returned True.
    """
    entries = listed(noise) or [noise] * len(fields)
    if len(entries) != len(fields):
        raise LadderscopeError(
            f"{len(entries)} noise models for {len(fields)} channels: give one per channel, or "
            "one for all"
        )
    several = len(fields) > 1
    models: list[NoiseModel] = []
    choices: list[NoiseChoice | None] = []
    for name, entry, of_channel, of_files in zip(names, entries, fields, files, strict=True):
        if models:
            stop_if(should_stop, f"measuring the noise of {name}")
        planes = planes_of(of_channel, MOST_PLANES)
        stacks = [field.pixels for field in of_channel if len(field.pixels.shape) == 3]
        choice = None
        if several and is_blank(planes):
            notice(
                f"{name} is blank (all pixels have the same value): it is returned unchanged, and "
                "has no noise",
                logging.WARNING,
            )
            entry = Gaussian(1.0)
        elif isinstance(entry, str):
            asked = wanted(entry) or CHOSEN
            of = name if several else ""
            choice = _chosen(planes, asked, of, structured=structured, stacks=stacks)
            for text in choice.warnings:
                notice(f"{name}: {text}" if several else text, logging.WARNING)
            entry = choice.fit.model
        elif not structured:
            checked = planes[:: -(-len(planes) // _PLANES_CHECKED)]
            if entry.pixelwise is entry and (
                finding := about_correlation(checked, name if several else "")
            ):
                notice(finding.text, logging.WARNING)
            if of_planes := about_z(measure_along_z(stacks, entry), entry):
                notice(f"{name}: {of_planes}" if several else of_planes, logging.WARNING)
        if found := about_black_levels(_by_file(of_channel, of_files)):
            notice(f"{name}: {found}" if several else found, logging.WARNING)
        models.append(entry)
        choices.append(choice)
    return models, choices


def _by_file(fields: Sequence[Field], files: Sequence[str]) -> dict[str, Sequence[Any]]:
    """List some planes of each file."""
    return {
        name: planes_of([field for field in fields if field.image == number], PLANES_OF_A_FILE)
        for number, name in enumerate(told_apart(files))
    }


def _chosen(
    planes: Sequence[Any],
    asked: Wanted,
    name: str,
    *,
    structured: bool,
    stacks: Sequence[Pixels],
) -> NoiseChoice:
    try:
        choice = choose(planes, asked, structured=structured, stacks=stacks)
    except NoiseError as error:
        raise NoiseError(f"{name}: {error}" if name else str(error)) from error
    of = f" of {name}" if name else ""
    logger.info("noise%s: %s %s", of, " ".join(choice.reasons), choice.fit.summary())
    tell(NoiseMeasured(name, choice.fit.summary(), tuple(choice.reasons)))
    return choice
