"""Checks before any work, so that no training ends with a file that cannot be written."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from ladderscope.claims import claimed
from ladderscope.errors import LadderscopeError
from ladderscope.files import OutputError, check_writable, taken
from ladderscope.images.addresses import store_of
from ladderscope.images.write import check_replaced
from ladderscope.words import some


def state_of(model_path: Path) -> Path:
    """Say where the state of an unfinished training is kept.

    Examples
    --------
    >>> state_of(Path("out/model.ladder")).name
    'model.ladder.state'
    """
    return model_path.with_name(f"{model_path.name}.state")


def check_outputs(outputs: Sequence[Path], inputs: Iterable[Path], *, may_replace: bool) -> None:
    """Refuse outputs that exist, unless they may be replaced, are inputs, or cannot be written.

    Raises
    ------
    OutputError
        Naming what is in the way.
    """
    originals = {path.resolve() for path in inputs}
    stores = {store for path in originals if (store := store_of(path)[0]).is_dir()}
    for output in outputs:
        if output.resolve() in originals:
            raise OutputError(f"{output} is an input and would be overwritten: choose another -o")
        if inside := stores & set(output.resolve().parents):
            raise OutputError(
                f"{output} would lie inside the input {inside.pop()}: choose another -o"
            )
        if taken(output) and output.is_dir() and output.suffix.lower() != ".zarr":
            raise OutputError(f"{output} is a folder: choose another -o")
        check_replaced(output)
    existing = [str(output) for output in outputs if taken(output)]
    if existing and not may_replace:
        raise OutputError(
            f"{some(existing)} already exist{'' if len(existing) > 1 else 's'}: give --overwrite "
            "to replace, or choose another -o"
        )
    check_writable(outputs)


def check_training(
    model_path: Path, *, resume: bool, overwrite: bool, restores: bool = False
) -> bool:
    """Check that a training to resume exists, and that no unfinished one is lost unasked.

    Parameters
    ----------
    model_path
        The model that is trained.
    resume, overwrite
        What was asked for.
    restores
        Whether the run restores images, so that it can be resumed after training too.

    Returns
    -------
    bool
        Whether training is needed: not where it is complete and restoring is to be resumed.

    Raises
    ------
    LadderscopeError
        There is nothing to resume, or an unfinished training and neither option.
    """
    state = state_of(model_path)
    if taken(state) and state.is_dir():
        raise OutputError(
            f"{state} is a folder, but the training needs a file of this name: rename the folder, "
            "or choose another -o"
        )
    if resume and overwrite:
        raise LadderscopeError(
            "--resume continues a training and --overwrite starts again: give only one of them"
        )
    if resume and not state.exists():
        if restores and model_path.is_file():
            return False
        done = (
            f" The training of {model_path} is complete; to restore images with it, run: "
            f"ladderscope predict {model_path} IN... -o OUT"
            if model_path.exists()
            else " Omit --resume to start a new training."
        )
        raise LadderscopeError(f"there is nothing to resume: {state} does not exist.{done}")
    if state.exists() and not (resume or overwrite):
        with claimed(model_path):
            pass  # another process may be at it
        raise LadderscopeError(
            f"{state} contains an unfinished training: give --resume to continue it, or "
            "--overwrite to start again"
        )
    return True
