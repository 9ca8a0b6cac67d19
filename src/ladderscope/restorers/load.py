"""Opening a model file as the restorer it holds."""

import os
from pathlib import Path

from ladderscope.errors import LadderscopeError
from ladderscope.restorers.denoiser import Denoiser
from ladderscope.restorers.file import ModelFileError, read_model


def load(path: str | os.PathLike[str], *, device: str | None = None) -> Denoiser:
    """Open a ``.ladder`` file. No code in it is run: it holds numbers and text.

    Parameters
    ----------
    path : path
        A file that `Denoiser.save` or the command line wrote.
    device : str, optional
        Where to predict; the best device there is by default.

    Raises
    ------
    ModelFileError
        The file is missing, damaged, foreign, or of a newer format.
    """
    model = read_model(Path(path))
    try:
        return Denoiser.from_model(model, device=device)
    except LadderscopeError as error:
        raise ModelFileError(f"{path}: {error}") from error
