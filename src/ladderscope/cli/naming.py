"""Which output belongs to which input: names that tell, and that never meet."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

from ladderscope.files import stem
from ladderscope.images.addresses import flattened
from ladderscope.images.find import is_zarr_folder
from ladderscope.models.restoration import beside

ENDINGS = {"tiff": ".ome.tif", "zarr": ".ome.zarr"}


class Outputs(NamedTuple):
    """Where what comes of one image is written: a residual comes of split images only.

    The animation is of the posterior samples that a report shows.
    """

    restored: Path
    spread: Path
    animation: Path
    residual: Path | None

    @property
    def files(self) -> list[Path]:
        """All that may be written."""
        return [path for path in self if path is not None]

    @property
    def images(self) -> list[Path]:
        """Those that are images."""
        return [path for path in self.files if path != self.animation]


def outputs_at(restored: Path, *, split: bool = False) -> Outputs:
    """Name the outputs of an image by where its restoration goes.

    Examples
    --------
    >>> [path.name for path in outputs_at(Path("out/b.tif"), split=True).files]
    ['b.tif', 'b_spread.tif', 'b_samples.gif', 'b_residual.tif']
    """
    residual = beside(restored, "residual") if split else None
    animation = restored.with_name(f"{stem(beside(restored, 'samples'))}.gif")
    return Outputs(restored, beside(restored, "spread"), animation, residual)


def outputs_in(
    folder: Path, name: str, ending: str = ENDINGS["tiff"], *, split: bool = False
) -> Outputs:
    """Name the outputs of an image in a folder.

    Examples
    --------
    >>> outputs_in(Path("out"), "a").spread.name
    'a_spread.ome.tif'
    """
    return outputs_at(folder / f"{name}_restored{ending}", split=split)


def spread_of(restored: Path) -> Path | None:
    """Find the spread that was written with a restoration, whatever its ending; None without one.

    Examples
    --------
    >>> spread_of(Path("no such folder/a_restored.ome.tif"))
    """
    base = stem(restored).removesuffix("_restored")
    usual = [restored.with_name(f"{base}_spread{ending}") for ending in ENDINGS.values()]
    return next((one for one in (beside(restored, "spread"), *usual) if one.exists()), None)


def ending_for(path: Path, format: str | None) -> str:
    """Choose the ending of an image's outputs: by the format asked for, or as the image has it.

    Examples
    --------
    >>> ending_for(Path("a.tif"), None), ending_for(Path("a.tif"), "zarr")
    ('.ome.tif', '.ome.zarr')
    """
    return ENDINGS[format or ("zarr" if is_zarr_folder(path) else "tiff")]


def output_names(paths: Sequence[Path]) -> list[str]:
    """Give each file a name of its own, for its outputs in one folder.

    That is the name without its ending. Files of equal names are told apart by the folders they
    are in, as many as it takes; in one folder, by their endings. Upper and lower case count as
    equal, and so do the two spellings of accented letters, as they do for many file systems.

    Parameters
    ----------
    paths
        Files, each once.

    Returns
    -------
    list of str
        One a file, all different; they depend on the files and not on their order.

    Examples
    --------
    >>> output_names([Path("day1/a.tif"), Path("day2/a.tif"), Path("day2/b.tif")])
    ['day1_a', 'day2_a', 'b']
    """
    return names_of(
        [
            Path(os.path.abspath(flattened(path)))  # noqa: PTH100 (links stay links)
            for path in paths
        ]
    )


def names_of(full: Sequence[PurePath]) -> list[str]:
    """Name files whose paths are absolute, on whatever system.

    Examples
    --------
    >>> from pathlib import PureWindowsPath
    >>> names_of([PureWindowsPath(f"C:/day{day}/a.tif") for day in (1, 2)])
    ['day1_a', 'day2_a']
    """
    stems = [stem(path) for path in full]
    for group in _equal([f"{path.parent}/{one}" for path, one in zip(full, stems, strict=True)]):
        for index in group:
            stems[index] = full[index].name.replace(".", "_")
    depths = [0] * len(full)
    while True:
        names = [
            "_".join([*path.parent.parts[1:][len(path.parent.parts) - 1 - depth :], one])
            for path, one, depth in zip(full, stems, depths, strict=True)
        ]
        movable = [
            index
            for group in _equal(names)
            if len({full[index].parent for index in group}) > 1
            for index in group
            if depths[index] < len(full[index].parent.parts) - 1
        ]
        if not movable:
            return _numbered(names, full)
        for index in movable:
            depths[index] += 1


def same_name(name: str) -> str:
    """Give one spelling to all names that a file system may take for the same.

    Examples
    --------
    >>> same_name("Ma\u0308use") == same_name("m\u00e4use")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _equal(names: Sequence[str]) -> list[list[int]]:
    """Find the groups of indices whose names are the same."""
    groups = defaultdict(list)
    for index, name in enumerate(names):
        groups[same_name(name)].append(index)
    return [group for group in groups.values() if len(group) > 1]


def _numbered(names: list[str], paths: Sequence[PurePath]) -> list[str]:
    """Add numbers to what is still equal, in the order of the paths."""
    while groups := _equal(names):
        for group in groups:
            ordered = sorted(group, key=lambda index: str(paths[index]))
            for number, index in enumerate(ordered[1:], start=2):
                names[index] = f"{names[index]}_{number}"
    return names
