"""Numbers in words, the same in the report and on the command line."""

import math

from ladderscope.images import numbered_channels
from ladderscope.models import DenoiserSettings, SplitterSettings
from ladderscope.models.file import Model
from ladderscope.noise import NoiseModel
from ladderscope.noise.averages import of_one_frame
from ladderscope.noise_estimation.choice import NoiseChoice

UNCALIBRATED = "spread of posterior samples (uncalibrated)"
_ALMOST_NOTHING = 0.1  # nats per patch


def channel_names(model: Model) -> list[str]:
    """Name the channels of a model as its images do, or by number."""
    return [str(name) for name in model.channel_names or numbered_channels(len(model.statistics))]


def noise_in_words(
    model: NoiseModel, choice: NoiseChoice | None = None, frames: int | None = None
) -> str:
    """Describe the noise of a channel, as it was measured or as it was given.

    Parameters
    ----------
    model, choice
        The noise of the training images, and how it was chosen, if it was measured.
    frames
        Of how many frames each training image is the average, if of several.

    Examples
    --------
    >>> from ladderscope.noise import Gaussian
    >>> noise_in_words(Gaussian(3.0))
    'Given: Gaussian noise of standard deviation 3.'
    >>> noise_in_words(Gaussian(3.0), frames=4)[:60]
    'Given for one frame: Gaussian noise of standard deviation 6.'
    """
    if choice is not None:
        where = "on the images" if frames is None else "on single frames"
        of_one = " ".join([f"Measured {where}.", *choice.reasons, choice.fit.summary()])
    elif frames is None:
        return f"Given: {model.summary()}"
    else:
        of_one = f"Given for one frame: {of_one_frame(model, frames).summary()}"
    if frames is None:
        return of_one
    return f"{of_one} For the average of {frames} frames, this becomes: {model.summary()}"


def noise_warnings(model: Model) -> list[str]:
    """List the stored notices of what the chosen noise models do not describe."""
    texts = [text for one in model.noise_choices if one is not None for text in one.warnings]
    return [notice for notice in model.notices if any(text in notice for text in texts)]


def free_bits_of(settings: DenoiserSettings | SplitterSettings) -> float:
    """Give the free bits by which the levels are judged: those of the method's larger term."""
    if isinstance(settings, SplitterSettings) and settings.weight_of_denoisplit < 0.5:
        return settings.musplit_free_bits
    return settings.free_bits


def levels_in_words(level_kl: tuple[float, ...], free_bits: float, blind_levels: int = 0) -> str:
    """Say which levels of the network are in use, by their KL divergence in nats per patch.

    Parameters
    ----------
    level_kl
        Of each level that sees the image, finest first.
    free_bits
        In nats per patch. If 0, a level below 0.1 nats counts as collapsed.
    blind_levels
        How many finer levels do not see the image.

    Examples
    --------
    >>> levels_in_words((40.0, 0.2), free_bits=1.0)[:20]
    'Level 2 has collapse'
    >>> levels_in_words((40.0, 3.0), free_bits=1.0, blind_levels=1)[:31]
    'Level 1 never sees the image. N'
    """
    return _blind_in_words(blind_levels) + _collapsed_in_words(level_kl, free_bits, blind_levels)


def _blind_in_words(blind_levels: int) -> str:
    if blind_levels < 2:
        return "Level 1 never sees the image. " if blind_levels else ""
    return f"Levels 1 to {blind_levels} never see the image. "


def _collapsed_in_words(level_kl: tuple[float, ...], free_bits: float, blind_levels: int) -> str:
    least = free_bits or _ALMOST_NOTHING
    collapsed = [
        (number, kl)
        for number, kl in enumerate(level_kl, start=blind_levels + 1)
        if math.isfinite(kl) and kl < least
    ]
    limit = f"{least:g} nat{'' if least == 1 else 's'} per patch"
    if free_bits:
        limit = f"the free bits ({limit})"
    if not collapsed:
        which = "No other level" if blind_levels else "No level"
        return f"{which} has collapsed: each carries at least {limit}."
    which = ", ".join(str(number) for number, _ in collapsed)
    carried = ", ".join(f"{kl:.2g}" for _, kl in collapsed)
    several = len(collapsed) > 1
    subject, carry, them = (
        (f"Levels {which} have", "they carry", "them")
        if several
        else (f"Level {which} has", "it carries", "it")
    )
    return (
        f"{subject} collapsed: {carry} {carried} nats per patch, less than {limit}, so the "
        f"restoration makes almost no use of {them}. Longer training or a higher free_bits may "
        f"bring {them} back. This is not an error: judge by the images."
    )
