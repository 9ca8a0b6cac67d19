"""What is checked before any work is done, so that no training ends at a closed door."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from ladderscope.errors import LadderscopeError
from ladderscope.files import OutputError, check_writable, claimed, taken

_NAMED = 5


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
    for output in outputs:
        if output.resolve() in originals:
            raise OutputError(f"{output} is an input, and would be overwritten: choose another -o")
        if taken(output) and output.is_dir():
            raise OutputError(f"{output}: this is a folder, and a file of that name is to be made")
    existing = [str(output) for output in outputs if taken(output)]
    if existing and not may_replace:
        more = f" and {len(existing) - _NAMED} more" if len(existing) > _NAMED else ""
        raise OutputError(
            f"{', '.join(existing[:_NAMED])}{more} exist{'' if len(existing) > 1 else 's'} "
            f"already: give --overwrite to replace, or another -o"
        )
    check_writable(outputs)


def check_training(
    model_path: Path, *, resume: bool, overwrite: bool, restores: bool = False
) -> bool:
    """Check that an unfinished training is there to be resumed, or is not lost unasked.

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
        There is none, or there is one and it was not said what shall become of it.
    """
    state = state_of(model_path)
    if taken(state) and state.is_dir():
        raise OutputError(
            f"{state}: this is a folder, and the state of the training is to be kept in a file of "
            "that name; rename it, or choose another -o"
        )
    if resume and overwrite:
        raise LadderscopeError(
            "--resume goes on with a training and --overwrite starts anew: give one of the two"
        )
    if resume and not state.exists():
        if restores and model_path.is_file():
            return False
        done = (
            f" The training of {model_path} is complete; restore images with it by: ladderscope "
            f"predict {model_path} IN... -o OUT"
            if model_path.exists()
            else " Leave --resume out to train anew."
        )
        raise LadderscopeError(f"there is nothing to resume: {state} does not exist.{done}")
    if state.exists() and not (resume or overwrite):
        with claimed(model_path):
            pass  # another process may be at it
        raise LadderscopeError(
            f"{state} holds a training that was not finished: give --resume to finish it, or "
            "--overwrite to start anew"
        )
    return True
