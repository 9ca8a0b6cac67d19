"""Files that are there already under the names of a restoration: just this one, or others."""

import re
from collections.abc import Sequence
from pathlib import Path

from ladderscope.errors import LadderscopeError
from ladderscope.files import OutputError, check_writable, taken
from ladderscope.images import Image
from ladderscope.images.metadata import description_of
from ladderscope.models.identity import digest_of_image
from ladderscope.models.working_folder import folder_of

_HOW = re.compile(r"\((model [^()]+)\)")


def of_input(how: str, digest: str) -> str:
    """Add to how an image is restored which one it is.

    Parameters
    ----------
    how
        By `how_restored`.
    digest
        Of the image, by `digest_of_image`.

    Examples
    --------
    >>> of_input("model 1f, 2 samples, seed 0, float32", "0123456789abcdef")
    'model 1f, 2 samples, seed 0, float32, input 0123456789ab'
    """
    return f"{how}, input {digest[:12]}"


def is_finished(files: Sequence[Path], image: Image, how: str) -> bool:
    """Tell whether just this image was restored just so, and nothing of it is missing.

    The restoration is written after all others, and holds how it was made; then the working folder
    is removed.

    Parameters
    ----------
    files
        The restoration, and others that belong to it.
    image
        What is restored.
    how
        By `how_restored`.
    """
    if not all(map(taken, files)) or taken(folder_of(files[0])):
        return False
    return f"({of_input(how, digest_of_image(image))})" in description_of(files[0])


def check_free(
    files: Sequence[Path], image: Image, how: str, *, resumes: bool, may_replace: bool
) -> None:
    """Refuse files that exist; where a finished prediction is resumed, say what differs.

    Parameters
    ----------
    files, image, how
        As of `is_finished`.
    resumes
        Whether a prediction is resumed.
    may_replace
        Whether files may exist.

    Raises
    ------
    LadderscopeError
        A finished restoration is of another model, image or setting.
    OutputError
        There are files, or they could not be written.
    """
    there = [file for file in files if taken(file)]
    if may_replace:
        return check_writable([file for file in files if file not in there])
    if resumes and taken(files[0]) and (found := _HOW.search(description_of(files[0]))):
        before, now = found[1], of_input(how, digest_of_image(image))
        if before != now:
            raise LadderscopeError(
                f"{files[0]} is from another prediction ({before}) than this one ({now}). Give the "
                "same model, image and settings, another output folder, or --overwrite in place "
                "of --resume (overwrite=True)"
            )
    if there:
        raise OutputError(
            f"{', '.join(map(str, there))} already exists: choose another name, or allow it to be "
            "overwritten (overwrite=True, --overwrite)"
        )
    return check_writable(files)
