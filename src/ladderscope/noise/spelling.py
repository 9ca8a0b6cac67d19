"""Reading a noise model as it is written on the command line."""

from ladderscope.noise.model import NoiseModel
from ladderscope.noise.registry import KINDS


def noise_model_from_text(text: str) -> NoiseModel | None:
    """Read a noise model as it is written on the command line.

    Parameters
    ----------
    text
        A spelling with its numbers.

    Returns
    -------
    NoiseModel or None
        None if that is no spelling of a noise model, or its numbers are too few or too many.

    Raises
    ------
    NoiseError
        If no model can have those numbers.

    Examples
    --------
    >>> noise_model_from_text("gaussian:3")
    Gaussian(sigma=3.0)
    >>> noise_model_from_text("gaussian:3,4") is None
    True
    """
    name, _, listed = text.partition(":")
    try:
        numbers = [float(number) for number in listed.split(",")]
    except ValueError:
        return None
    for kind in KINDS.values():
        for spelling in kind.spellings:
            if spelling.name == name and spelling.parameters.count(",") + 1 == len(numbers):
                model = kind.load()
                make = getattr(model, spelling.maker) if spelling.maker else model
                made: NoiseModel = make(*numbers)
                return made
    return None
