"""The names of outputs: a name whose ending does not match the content is refused."""

import os
import re
from pathlib import Path
from typing import NamedTuple

from ladderscope.files import OutputError, expanded, stem
from ladderscope.words import listed

_Name = str | os.PathLike[str]

_SEPARATORS = tuple(sign for sign in (os.sep, os.altsep) if sign)
# Beside our own kinds, what people save beside images, and what microscopes write.
_ENDINGS_OF_FILES = {
    *(".tif", ".tiff", ".btf", ".tf8", ".png", ".jpg", ".jpeg", ".gif", ".bmp", ".svg", ".pdf"),
    *(".html", ".htm", ".json", ".yaml", ".yml", ".toml", ".csv", ".tsv", ".txt", ".md", ".xlsx"),
    *(".ladder", ".npy", ".npz", ".mat", ".h5", ".hdf5", ".zip", ".gz", ".tar", ".7z", ".zarr"),
    *(".pt", ".pth", ".ckpt", ".onnx", ".safetensors", ".state", ".py", ".ipynb"),
    *(".czi", ".nd2", ".lif", ".lsm", ".oib", ".oif", ".oir", ".ims", ".vsi", ".dv", ".mrc"),
}
_DEVICES = {
    *("con", "prn", "aux", "nul"),
    *(f"{port}{number}" for port in ("com", "lpt") for number in "123456789¹²³"),
}
_ADDRESS = re.compile(r"[A-Za-z][\w+.-]+:/")  # one letter is a drive
_NOT_ON_WINDOWS = '<>:"|?*'


class FileKind(NamedTuple):
    """What an output is, and how the names of such files end; the first ending is recommended.

    Examples
    --------
    >>> MODEL.file("out/nuclei.ladder").name
    'nuclei.ladder'
    """

    what: str
    endings: tuple[str, ...]
    example: str

    def file(self, name: _Name) -> Path:
        """Take a name for a file of this kind.

        Parameters
        ----------
        name
            As the user typed it. A ``~`` at its start stands for the user's folder.

        Returns
        -------
        Path
            Where the file goes.

        Raises
        ------
        OutputError
            The name is that of a folder, or ends otherwise than such files do.
        """
        path, is_folder = _read(name)
        if is_folder and not (_is_zarr(path) and self.names(path)):
            raise OutputError(
                f"{os.fspath(name)} is a folder, but {self.what} is a single file: write "
                f"{path / self.example}"
            )
        if not self.names(path):
            base = _without_ending(path)
            right = path.with_name(base + self.endings[0] if base else self.example)
            raise OutputError(
                f"{path}: {self.what} is a {listed(self.endings, 'or')} file: write {right}"
            )
        return path

    def names(self, path: Path) -> bool:
        """Tell whether a path is named as such files are: with more than an ending.

        Examples
        --------
        >>> IMAGE.names(Path("a.ome.tif")), IMAGE.names(Path(".tif")), IMAGE.names(Path("a.png"))
        (True, False, False)
        """
        name = path.name.lower()
        return name.endswith(self.endings) and stem(Path(name)) not in (".ome", *self.endings)


MODEL = FileKind("a model", (".ladder",), "model.ladder")
ONNX = FileKind("an ONNX model", (".onnx",), "model.onnx")
ZOO = FileKind("a package of the BioImage Model Zoo", (".zip",), "model.zip")
WEIGHTS = FileKind("weights for CAREamics", (".pth", ".pt", ".ckpt"), "model.pth")
IMAGE = FileKind("a restored image", (".tif", ".tiff", ".zarr"), "restored.tif")
PAGE = FileKind("a report", (".html", ".htm"), "report.html")
PICTURE = FileKind("a picture", (".png", ".svg", ".pdf"), "noise.png")
NOISE = FileKind("a noise model", (".json", ".npz"), "noise.json")
SUMMARY = FileKind("a summary", (".json",), "summary.json")
SCORES = FileKind("a record of scores", (".json",), "scores.json")
TABLE = FileKind("a table of scores", (".csv",), "scores.csv")


def output_folder(name: _Name) -> Path:
    """Take a name for a folder in which files are written.

    Parameters
    ----------
    name
        As the user typed it. A ``~`` at its start stands for the user's folder.

    Returns
    -------
    Path
        The folder, which need not exist yet.

    Raises
    ------
    OutputError
        The name ends as those of files do, and there is no such folder; or it is a Zarr image.

    Examples
    --------
    >>> output_folder("day1.restored").name, output_folder("odd.tif/").name
    ('day1.restored', 'odd.tif')
    """
    path, is_folder = _read(name)
    ending = path.suffix.lower()
    if path.name.lower() in _ENDINGS_OF_FILES:
        ending = path.name.lower()
    if ending == ".zarr" or (ending in _ENDINGS_OF_FILES and not is_folder):
        raise OutputError(
            f"{path}: {ending} is the ending of a file, but a folder is needed here: write "
            f"{path.with_name(_without_ending(path) or 'restored')}"
        )
    return path


def image_or_folder(name: _Name) -> tuple[Path, bool]:
    """Take a name for one restored image, or for a folder of several.

    Returns
    -------
    (Path, bool)
        Where to, and whether that is one image.

    Raises
    ------
    OutputError
        The name ends as those of other files do.

    Examples
    --------
    >>> [image_or_folder(name)[1] for name in ("out/a.tif", "out/a.ome.zarr", "out")]
    [True, True, False]
    """
    path, is_folder = _read(name)
    if _is_zarr(path) or (not is_folder and path.suffix.lower() in _ENDINGS_OF_FILES):
        return IMAGE.file(name), True
    return output_folder(name), False


def refused_by_windows(name: str) -> str:
    """Say why Windows has no file of this name; nothing if it can have one.

    Examples
    --------
    >>> refused_by_windows("aux.ladder")
    'Windows keeps the name aux for a device'
    >>> refused_by_windows("auxin.ladder")
    ''
    """
    base = name.partition(".")[0].rstrip()
    if base.lower() in _DEVICES:
        return f"Windows keeps the name {base} for a device"
    if signs := "".join(sign for sign in _NOT_ON_WINDOWS if sign in name):
        return f"a name on Windows cannot contain {signs}"
    ends_oddly = name.endswith((" ", ".")) and name != ".."
    return "a name on Windows cannot end with a dot or a space" if ends_oddly else ""


def _is_zarr(path: Path) -> bool:
    """Tell whether a name is that of a Zarr image, which is a folder."""
    return path.suffix.lower() == ".zarr"


def _read(name: _Name) -> tuple[Path, bool]:
    """Give the path that a name stands for, and tell whether it says that it is a folder."""
    try:
        text = os.fsdecode(name)
    except TypeError:
        raise OutputError(f"{name!r} is not the name of a file or folder") from None
    if not text.strip():
        raise OutputError("the name of an output is empty: give a file or a folder")
    if "\0" in text:
        raise OutputError(f"{text!r}: a file name cannot contain the character \\0; remove it")
    if _ADDRESS.match(text):
        raise OutputError(
            f"{text} is an address on the network, but outputs are written to this computer: give "
            "a file or folder here, and copy it there afterwards"
        )
    path = expanded(text)
    if os.name == "nt" and (reason := refused_by_windows(path.name)):
        raise OutputError(f"{path}: {reason}; choose another name")
    return path, text.endswith(_SEPARATORS) or path.name in ("", "..") or path.is_dir()


def _without_ending(path: Path) -> str:
    """Take the ending off; of a name that is nothing else, nothing is left."""
    base = Path(stem(path))
    name = base.stem if base.suffix.lower() in _ENDINGS_OF_FILES else base.name
    return "" if name.lower() in {".ome", *_ENDINGS_OF_FILES} else name
