"""Where restorations are written, and how; and which share of the work is whose."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from ladderscope.errors import LadderscopeError
from ladderscope.files import stem
from ladderscope.images.output import Compression
from ladderscope.models.restoration import Restoration, beside
from ladderscope.names import image_or_folder

T = TypeVar("T")


@dataclass(frozen=True)
class Share:
    """One of several equal shares of a prediction.

    Attributes
    ----------
    number, count : int
        Which share it is, from 1, and how many there are.
    """

    number: int
    count: int

    def of(self, pieces: Sequence[T], turn: int = 0) -> Sequence[T]:
        """Give those that belong to this share: neighbours.

        Parameters
        ----------
        pieces
            Of one image.
        turn
            The number of the image: where images have fewer pieces than there are shares, those of
            each go to other shares than those of the one before.

        Examples
        --------
        >>> [Share(number, 4).of("ab", turn) for turn in (0, 1) for number in (1, 2, 3, 4)]
        ['', 'a', '', 'b', 'a', '', 'b', '']
        """
        at = (self.number - 1 + turn) % self.count
        return pieces[len(pieces) * at // self.count : len(pieces) * (at + 1) // self.count]

    def __str__(self) -> str:
        return f"part {self.number} of {self.count}"


def share_of(part: tuple[int, int]) -> Share:
    """Check and name a share.

    Parameters
    ----------
    part
        Which, from 1, and of how many.

    Raises
    ------
    LadderscopeError
        There is no such share.

    Examples
    --------
    >>> print(share_of((2, 8)))
    part 2 of 8
    """
    share = Share(*part)
    if not 1 <= share.number <= share.count:
        raise LadderscopeError(
            f"there is no {share}: parts are counted from 1, such as part=(1, 8) or --part 1/8"
        )
    return share


@dataclass(frozen=True)
class Output:
    """Where a restoration is written, and how.

    Attributes
    ----------
    path : Path
        The file of the mean; those of the spread and the residual are named after it.
    dtype : dtype
        Type of the pixels of the mean.
    overwrite : bool
        Whether files that exist are replaced.
    resume : bool
        Whether to go on with what an interrupted prediction has finished.
    samples : bool
        Whether the posterior samples are written too, as one image along S.
    compression : str, optional
        As of `write_image`.
    how : str
        How the image is restored, for the metadata of the mean.
    source : Path, optional
        The file that is restored, likewise.
    turn : int
        The number of the image among several, by which the shares of the parts are turned: see
        `Share`.
    """

    path: Path
    dtype: DTypeLike = np.float32
    overwrite: bool = False
    resume: bool = False
    samples: bool = False
    compression: Compression | None = None
    how: str = ""
    source: Path | None = None
    turn: int = 0

    def files(self, restored: Restoration) -> list[Path]:
        """List the files that are written of a restoration."""
        named = {"spread": restored.std, "residual": restored.residual}
        others = [what for what, pixels in named.items() if pixels is not None]
        others += ["samples"] if self.samples else []
        return [self.path, *(beside(self.path, what) for what in others)]


def outputs_of(
    out: str | os.PathLike[str] | Output | None,
    sources: Sequence[tuple[Any, str]],
    several: bool,
    *,
    overwrite: bool,
    resume: bool,
) -> list[Output | None]:
    """Say where the restoration of each image goes; nowhere if `out` is None.

    Parameters
    ----------
    out
        A file, or a folder.
    sources
        Paths, or others with the names that messages give them.
    several
        Whether they are a list, even one of a single image.
    overwrite, resume
        As of `Output`.

    Raises
    ------
    LadderscopeError
        One file is named for several images, or two images have one name.
    """
    if out is None:
        return [None] * len(sources)
    if isinstance(out, Output):
        return [out]
    path, to_a_file = image_or_folder(out)
    if to_a_file:
        if several:
            raise LadderscopeError(
                f"out={os.fspath(out)!r} names one file, but a list of images is restored: give "
                "a folder"
            )
        return [Output(path, overwrite=overwrite, resume=resume)]
    names = [
        stem(source) if isinstance(source, Path) else name.replace(" ", "_")
        for source, name in sources
    ]
    if twice := [name for name in names if names.count(name) > 1]:
        raise LadderscopeError(
            f"out={os.fspath(out)!r}: two images are called {twice[0]!r}, and their restorations "
            "would have the same name: restore them into folders of their own"
        )
    return [
        Output(path / f"{name}_restored.ome.tif", overwrite=overwrite, resume=resume, turn=turn)
        for turn, name in enumerate(names)
    ]
