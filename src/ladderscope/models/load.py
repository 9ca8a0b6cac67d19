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
    """Open a ``.ladder`` file. No code in it is run: it holds numbers and text.

    Parameters
    ----------
    path : path
        A file that `save` or the command line wrote.
    device : str, optional
        Where to predict; the best device there is by default.

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
    """Open a ``.ladder`` file that must hold a denoiser.

    Parameters
    ----------
    path, device
        As of `load`.

    Raises
    ------
    ModelFileError
        As of `load`.
    LadderscopeError
        It holds a splitter.
    """
    restorer = load(path, device=device)
    if not isinstance(restorer, Denoiser):
        raise LadderscopeError(
            f"{path} holds a {restorer.kind}, and a denoiser is needed here: give a model of "
            "“ladderscope denoise” or “ladderscope train denoiser”"
        )
    return restorer
