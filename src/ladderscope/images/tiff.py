"""Opening a TIFF: which image is in it, and all that can be checked without decoding its pixels."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import tifffile

from ladderscope.images import metadata
from ladderscope.images.axes import check_axes
from ladderscope.images.blocks import position_of, what_is_there, whole_block
from ladderscope.images.chain import PageKind, damaged, walk_pages
from ladderscope.images.codecs import check_compression
from ladderscope.images.complaints import complaints, damage_in
from ladderscope.images.errors import ImageError
from ladderscope.images.memory import BEST_COMPRESSION, SMALL
from ladderscope.images.ome import DescribedImage, described_images, root_of
from ladderscope.words import data_size

logger = logging.getLogger("ladderscope")

_IN_FIJI = "Open it in Fiji and save it with File > Save As > Tiff."
_OTHER_FORMATS = {
    b"\x89PNG": "is a PNG, as screenshots and exported copies are, mostly of 8 bits or in colour "
    "and without a pixel size; use the original recording. If it is a raw frame in grey levels, "
    'say so with axes="YX" (--axes YX on the command line), and it is read.',
    b"\xff\xd8\xff": "is a JPEG, whose lossy compression has altered the noise, which restoration "
    "relies on; use the original recording.",
    b"GIF8": "is a GIF, which has at most 256 levels; use the original recording.",
    b"\x89HDF": f"is an HDF5 file, which is not read. {_IN_FIJI}",
    b"ZISRAWFI": f"is a Zeiss CZI file; give it the ending .czi. Or: {_IN_FIJI}",
    b"%PDF": "is a PDF; use the original recording.",
}
# later versions of tifffile keep axes of length one unasked, and are not to be asked
_ALL_AXES: dict[str, Any] = (
    {"squeeze": False} if "squeeze" in signature(tifffile.TiffPageSeries).parameters else {}
)
# formats whose index of planes lies in other files, which are not opened
_THIS_FILE_ALONE: dict[str, Any] = {
    "_multifile": False,
    "is_mmstack": False,
    "is_ndtiff": False,
    "is_ndpi": False,
}
_IMAGEJ_SIZES = {"T": "frames", "Z": "slices", "C": "channels"}


class OpenTiff(NamedTuple):
    """An open TIFF and the one image in it.

    Parameters
    ----------
    file
        The open file.
    series
        The image: its pages, shape and axes.
    channels
        Which of the channels that its description names it has; None for all of them.
    """

    file: tifffile.TiffFile
    series: tifffile.TiffPageSeries
    channels: tuple[int, ...] | None = None


@contextmanager
def opened_tiff(path: Path, axes: str | None) -> Iterator[OpenTiff]:
    """Open a TIFF and check all that can be checked without decoding its pixels.

    The image is made of the planes that are in this file. A description may name planes in other
    files, or planes that were never recorded; those are counted in a warning, and no other file is
    opened.

    Parameters
    ----------
    path
        The file.
    axes
        The user's axes, if given: they may say that the colours of a photograph are channels.

    Yields
    ------
    OpenTiff
        The open file and the one image in it.

    Raises
    ------
    ImageError
        If it is missing, foreign, truncated, damaged, a photograph, or several images; also for
        what goes wrong inside of the block.
    """
    try:
        if path.is_dir():
            raise ImageError(f"{path}: this is a folder; name one of its files.")
        if path.exists() and not path.is_file():
            raise ImageError(f"{path}: is a pipe, a socket or a device; give a regular file.")
        if not path.is_file():
            raise ImageError(f"{path}: there is no such file (searched in {Path.cwd()}).")
        _check_format(path)
    except OSError as error:
        raise ImageError(f"{path}: cannot be opened ({error.strerror or error}).") from error
    with tiff_errors_in_words(path), complaints() as said:
        kinds = walk_pages(path)
        with tifffile.TiffFile(path, **_THIS_FILE_ALONE) as file:
            yield _checked(file, kinds, said, path, axes)


@contextmanager
def opened_stack(path: Path, numbers: Sequence[int]) -> Iterator[OpenTiff]:
    """Open some pages of a TIFF as one stack, whatever its own description makes of them.

    Parameters
    ----------
    path
        The file.
    numbers
        The pages, from 0, in the order of the stack.

    Yields
    ------
    OpenTiff
        The open file, and the stack.

    Raises
    ------
    ImageError
        As `opened_tiff` does.
    """
    with tiff_errors_in_words(path), complaints() as said:
        kinds = walk_pages(path)
        with tifffile.TiffFile(path, **_THIS_FILE_ALONE) as file:
            pages = _alike(file, numbers, kinds, path)
            stack = _series(file, pages, [(len(pages), "I")])
            yield sound(OpenTiff(file, stack), said, path)


@contextmanager
def tiff_errors_in_words(path: Path) -> Iterator[None]:
    """Turn whatever tifffile raises inside of the block into an `ImageError` about the file.

    Parameters
    ----------
    path
        The file that is being read.
    """
    try:
        yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(
            f"{path}: is too large for the memory that is free ({error}); crop the image, or save "
            "it in parts with fewer planes."
        ) from error
    except Exception as error:  # tifffile raises whatever a damaged file provokes
        if "imagecodecs" in str(error):
            raise ImageError(
                f"{path}: its compression needs one more package ({error}); run "
                '"pip install imagecodecs", or save the image uncompressed.'
            ) from error
        raise damaged(path, str(error)) from error


def _checked(
    file: tifffile.TiffFile,
    kinds: Sequence[PageKind],
    said: list[str],
    path: Path,
    axes: str | None,
) -> OpenTiff:
    opened = sound(_only_image(file, kinds, path), said, path)
    photograph = metadata.samples_axis(opened.series)
    if photograph is not None:
        _check_photograph(opened.series, photograph, path, axes)
    return opened


def sound(opened: OpenTiff, said: list[str], path: Path) -> OpenTiff:
    """Refuse what is cut off or damaged, and warn of lossy compression; give all else back."""
    _check_segments(opened.series, path)
    _check_room(opened.series, path)
    if damage := damage_in(said):
        raise damaged(path, damage)
    if warning := check_compression(opened.series, path):
        logger.warning("%s", warning)
    return opened


def _only_image(file: tifffile.TiffFile, kinds: Sequence[PageKind], path: Path) -> OpenTiff:
    found = _described(file, kinds, path)
    if not found:
        found = [OpenTiff(file, one) for one in file.series]
    if not found:
        raise damaged(path, "it holds no image")
    # microscopes put a thumbnail of the image behind it
    images = [found[0], *(one for one in found[1:] if not one.series.keyframe.is_reduced)]
    if len(images) > 1:
        shapes = ", ".join(str(tuple(one.series.shape)) for one in images[:4])
        raise ImageError(
            f"{path}: holds {len(images)} separate images (of shapes {shapes}), but one is "
            "expected; save each in a separate file."
        )
    return images[0]


def _described(file: tifffile.TiffFile, kinds: Sequence[PageKind], path: Path) -> list[OpenTiff]:
    """Give the images that the file's description makes of its pages, if it is one of ours."""
    if file.is_shaped or file.is_lsm:
        return []
    if file.is_ome:
        images = described_images(root_of(file), path.name, len(kinds))
    else:
        images = _unfinished_hyperstack(file, kinds, path)
    if images == []:
        logger.warning(
            "%s: its OME description does not state which planes of the recording are in this "
            "file; its pages are read in the order in which they are stored.",
            path,
        )
        file.is_ome = False
    opened = [_of_description(file, image, kinds, path) for image in images or []]
    named = {number for image in images or [] for number in image.pages.values()}
    alike = {kinds[number] for number in named}
    unnamed = [number for number in set(range(len(kinds))) - named if kinds[number] in alike]
    if unnamed:
        logger.warning(
            "%s: %d of its %d pages are left out because its OME description does not list them.",
            path,
            len(unnamed),
            len(kinds),
        )
    return opened


def _unfinished_hyperstack(
    file: tifffile.TiffFile, kinds: Sequence[PageKind], path: Path
) -> list[DescribedImage] | None:
    """Describe a hyperstack of ImageJ that has fewer planes than it announces."""
    about = (file.imagej_metadata or {}) if file.is_imagej else {}
    order = str(about.get("order", "czt")).upper()
    axes = "".join(reversed(order)) if sorted(order) == ["C", "T", "Z"] else "TZC"
    sizes = tuple(about.get(_IMAGEJ_SIZES[axis], 1) for axis in axes)
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        return None
    first, announced = file.pages.first, prod(sizes)
    if len(kinds) >= announced or first.samplesperpixel > 1:
        return None
    if first.is_final:  # the planes may follow each other, without a page for each
        whole = (file.filehandle.size - first.dataoffsets[0]) // max(first.nbytes, 1)
        if whole >= announced:
            return None
        if len(kinds) == 1 < whole:
            raise damaged(path, f"{whole} of {announced} planes are present")
    pages = {position_of(number, sizes): number for number in range(len(kinds))}
    return [DescribedImage("", axes, sizes, pages)]


def _of_description(
    file: tifffile.TiffFile, image: DescribedImage, kinds: Sequence[PageKind], path: Path
) -> OpenTiff:
    block = whole_block(image.axes, image.pages)
    if block is None:
        raise ImageError(
            f"{path}: {len(image.pages)} of {prod(image.sizes)} planes are in this file, with gaps "
            "in every dimension; save those of one frame or one channel, in Fiji with "
            "Image > Stacks > Tools > Make Substack."
        )
    numbers = [image.pages[at] for at in product(*block.kept)]
    pages = _alike(file, numbers, kinds, path)
    if said := what_is_there(image.axes, image.sizes, image.pages, block, image.elsewhere):
        logger.warning("%s: %s", path, said)
    # the last file of a movie may have one frame only; it is a movie like the others
    long = [
        (size, axis)
        for axis, size in zip(block.axes, block.shape, strict=True)
        if size > 1 or axis in image.varied
    ]
    series = _series(file, pages, long, image.name)
    one_each = series.keyframe.samplesperpixel == 1 and "C" in block.axes
    return OpenTiff(file, series, block.kept[block.axes.index("C")] if one_each else None)


def _alike(
    file: tifffile.TiffFile, numbers: Sequence[int], kinds: Sequence[PageKind], path: Path
) -> list[Any]:
    """Give pages of a file that are of one kind."""
    if len({kinds[number] for number in numbers}) > 1:
        raise ImageError(
            f"{path}: its planes differ in size, type or compression, but its description treats "
            "them as one image; save each kind in a separate file."
        )
    file.pages.useframes = True
    file.pages.set_keyframe(numbers[0])
    return [file.pages[number] for number in numbers]


def _series(
    file: tifffile.TiffFile, pages: list[Any], outer: Sequence[tuple[int, str]], name: str = ""
) -> tifffile.TiffPageSeries:
    axes = "".join(axis for _, axis in outer) + pages[0].keyframe.axes
    return series_of(file, pages, [size for size, _ in outer], axes, name)


def series_of(
    file: tifffile.TiffFile, pages: list[Any], outer: Sequence[int], axes: str, name: str
) -> tifffile.TiffPageSeries:
    """Arrange pages of one kind along outer axes; axes of length one stay."""
    keyframe = pages[0].keyframe
    return tifffile.TiffPageSeries(
        pages,
        (*outer, *keyframe.shape),
        keyframe.dtype,
        axes,
        name=name,
        parent=file,
        **_ALL_AXES,
    )


def _check_format(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(8)
    if not start:
        raise ImageError(f"{path}: the file is empty (0 bytes); copy or export it again.")
    if start[:2] in (b"II", b"MM", b"EP"):
        return
    other = (what for magic, what in _OTHER_FORMATS.items() if start.startswith(magic))
    said = next(other, f"is not an image in a known format. {_IN_FIJI}")
    raise ImageError(f"{path}: {said}")


def _check_segments(series: tifffile.TiffPageSeries, path: Path) -> None:
    pages: list[Any] = list(series.pages)
    missing = sum(page is None for page in pages)
    if missing:
        raise damaged(path, f"{missing} of {len(pages)} planes are missing")
    expected = prod(series.keyframe.chunked)
    for page in filter(None, pages):
        if len(page.dataoffsets) < expected or len(page.databytecounts) < expected:
            raise damaged(
                path, f"plane {page.index} has {len(page.dataoffsets)} of {expected} parts"
            )
        ends = map(int.__add__, page.dataoffsets, page.databytecounts)
        if max(ends, default=0) > page.parent.filehandle.size:
            raise damaged(path, f"plane {page.index} ends beyond the end of the file")


def _check_room(series: tifffile.TiffPageSeries, path: Path) -> None:
    """Refuse pixels that the bytes of the file cannot hold, however well they are compressed."""
    keyframe, size = series.keyframe, series.keyframe.parent.filehandle.size
    if keyframe.dtype is None:
        raise ImageError(
            f"{path}: its pixels have a type that cannot be read ({keyframe.bitspersample} bits, "
            f"sample format {keyframe.sampleformat}); convert it to 8, 16 or 32 bits in Fiji."
        )
    announced = max(series.nbytes, prod(keyframe.chunks) * keyframe.dtype.itemsize)
    if keyframe.compression == 1:
        most = size * max(1, 8 * keyframe.dtype.itemsize // keyframe.bitspersample)
    else:
        most = max(SMALL, BEST_COMPRESSION * size)
    if announced > most:
        raise ImageError(
            f"{path}: announces {data_size(announced)} of pixels (shape {tuple(series.shape)}), "
            f"but a file of {data_size(size)} cannot hold them; it seems to be damaged. Copy or "
            "export it again."
        )


def _check_photograph(
    series: tifffile.TiffPageSeries, position: int, path: Path, axes: str | None
) -> None:
    letters = check_axes(axes, series.shape, str(path)) if axes else None
    if letters is not None and letters[position] == "C":
        return
    others = [one if one in "ZYX" else "T" for one in series.axes]
    as_channels = "".join([*others[:position], "C", *others[position + 1 :]])
    raise ImageError(
        f"{path}: is an RGB photograph or similar, of {series.shape[position]} values per pixel "
        f"and shape {tuple(series.shape)}. Extract one channel or convert it to grey (in Fiji: "
        "Image > Color > Split Channels); or, if its colours are separate fluorescence channels, "
        f'give axes="{as_channels}".'
    )
