"""Numbers in words, the same in the report and on the command line."""

from ladderscope.evaluation import kl_report
from ladderscope.images import numbered_channels
from ladderscope.models.file import Model
from ladderscope.noise import NoiseModel
from ladderscope.noise.averages import of_one_frame
from ladderscope.noise_estimation.choice import NoiseChoice

ERROR_BAR = "error bar (standard deviation)"


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


def error_bars_in_words(model: Model) -> str:
    """Say how the error bars of a model were calibrated, and what they cover."""
    if not model.calibration:
        return (
            "It has not been calibrated: it shows which parts are more certain than others, and "
            "covers true errors as promised only if the noise model and the network are right. "
            "Calibrate it with “ladderscope calibrate”."
        )
    said = [one.summary() for one in model.calibration]
    if len(said) == 1:
        return said[0]
    return " ".join(f"{n}: {text}" for n, text in zip(channel_names(model), said, strict=True))


def levels_in_words(model: Model) -> str:
    """Say which levels of a network are in use, and what to change if one is not.

    Parameters
    ----------
    model
        A trained model with a history.
    """
    return _blind_in_words(model.settings.blind_levels) + kl_report(model).summary()


def _blind_in_words(blind_levels: int) -> str:
    if blind_levels < 2:
        return "Level 1 never sees the image. " if blind_levels else ""
    return f"Levels 1 to {blind_levels} never see the image. "
