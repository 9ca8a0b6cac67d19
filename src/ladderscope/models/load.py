"""Opening a model file as the restorer it holds."""

import os
from pathlib import Path

from ladderscope.errors import LadderscopeError
from ladderscope.machine import usual_device
from ladderscope.models.denoiser import Denoiser
from ladderscope.models.file import ModelFileError, read_model
from ladderscope.models.splitter import Splitter


@usual_device()
def load(path: str | os.PathLike[str], *, device: str | None = None) -> Denoiser | Splitter:
    """Open a ``.ladder`` file. It holds numbers and text, and no code.

    Parameters
    ----------
    path : path
        A file written by `save` or on the command line.
    device : str, optional
        Where to predict; by default the best device that is available.

    Raises
    ------
    ModelFileError
        The file is missing, damaged, foreign, or of a newer format.
    """
    model = read_model(Path(path))
    try:
        kind = Splitter if model.kind == "splitter" else Denoiser
        return kind.from_model(model, device=device)
    except LadderscopeError as error:
        raise ModelFileError(f"{path}: {error}") from error


def load_denoiser(path: str | os.PathLike[str], *, device: str | None = None) -> Denoiser:
    """Open a ``.ladder`` file with a denoiser.

    Parameters
    ----------
    path, device
        As for `load`.

    Raises
    ------
    ModelFileError
        As for `load`.
    LadderscopeError
        It holds a splitter.
    """
    restorer = load(path, device=device)
    if not isinstance(restorer, Denoiser):
        raise LadderscopeError(
            f"{path} holds a {restorer.kind}, and a denoiser is needed: give a model of "
            "“ladderscope denoise” or “ladderscope train denoiser”"
        )
    return restorer
