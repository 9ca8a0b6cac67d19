"""Noise models as users write them: on the command line, in a YAML file, in the viewer."""

from collections.abc import Sequence

from ladderscope.errors import LadderscopeError
from ladderscope.noise import NoiseModel, load_noise_model
from ladderscope.noise.registry import spellings
from ladderscope.noise.spelling import noise_model_from_text
from ladderscope.noise_estimation.wanted import spellings as named
from ladderscope.noise_estimation.wanted import wanted


def parse_noise(text: str | Sequence[str]) -> str | NoiseModel | list[str | NoiseModel]:
    """Read a noise model as users write it, or one per channel.

    A file may hold several models, one per channel.

    Raises
    ------
    LadderscopeError
        It is written otherwise, its numbers cannot be, or there is no such file of noise models.

    Examples
    --------
    >>> parse_noise("gaussian:3")
    Gaussian(sigma=3.0)
    >>> parse_noise(["auto"])
    'auto'
    """
    texts = [text] if isinstance(text, str) else text
    entries = [entry for one in texts for entry in _noise_entries(str(one).strip())]
    return entries[0] if len(entries) == 1 else entries


def _noise_entries(text: str) -> list[str | NoiseModel]:
    if text.lower().endswith((".json", ".npz")):
        stored = load_noise_model(text)
        return [stored] if isinstance(stored, NoiseModel) else [*stored]
    if (asked := wanted(text)) is not None:
        return [asked.name]
    model = noise_model_from_text(text)
    if model is None:
        forms = "; ".join(f"{one.form} such as {one.name}:{one.example}" for one in spellings())
        raise LadderscopeError(
            f"noise {text!r}: write {', '.join(named())}; {forms}; or the name of a file of noise "
            "models, .json or .npz"
        )
    return [model]
