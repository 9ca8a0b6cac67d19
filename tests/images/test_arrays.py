"""Arrays: masks, named dimensions, stores that are damaged, and values or sizes beyond all use."""

import json
import os

import numpy as np
import pytest
import zarr
from packaging.version import Version

from ladderscope.images import ImageError, memory, open_image, read_image

STACK = np.random.default_rng(0).integers(0, 60000, (3, 12, 16), dtype=np.uint16)


def refusal(source, axes=None):
    messages = []
    for function in (read_image, open_image):
        with pytest.raises(ImageError) as caught:
            function(source, axes)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    return messages[0]


class Named:
    """An array that knows what its dimensions are called, as xarray's do."""

    def __init__(self, values, dims):
        self.values, self.dims = values, dims
        self.shape, self.dtype = values.shape, values.dtype

    def __array__(self, *args, **kwargs):
        return np.asarray(self.values)

    def __getitem__(self, key):
        return Named(self.values[key], ())


# -- masks


def test_masked_pixels_are_refused_with_their_number():
    said = refusal(np.ma.masked_array(STACK[0], STACK[0] > 59_000))
    assert f"array 1: {(STACK[0] > 59_000).sum()} of its 192 pixels are masked" in said


@pytest.mark.parametrize("mask", [False, np.zeros((12, 16), bool)])
def test_a_mask_that_hides_nothing_changes_nothing(mask):
    masked = np.ma.masked_array(STACK[0], mask)
    for pixels in (read_image(masked).pixels, open_image(masked).pixels):
        assert np.array_equal(pixels, STACK[0])
        assert not isinstance(pixels, np.ma.MaskedArray)


# -- named dimensions


@pytest.mark.parametrize(
    ("dims", "axes"),
    [
        (("x", "y", "t"), "XYT"),
        (("Time", "row", "column"), "TYX"),
        (("channel", "Y", "X"), "CYX"),
        (("x", "y"), "XY"),
    ],
)
def test_names_of_dimensions_are_their_axes(dims, axes):
    named = Named(STACK[..., :3] if len(dims) == 3 else STACK[0], dims)
    assert read_image(named).axes == axes
    opened = open_image(named)
    assert opened.axes == axes
    assert np.array_equal(np.asarray(opened.pixels), named.values)


def test_axes_that_contradict_the_names_are_refused_with_both():
    said = refusal(Named(STACK, ("z", "y", "x")), "TYX")
    assert 'axes="TYX"' in said
    assert '"z", "y" and "x"' in said
    assert read_image(Named(STACK, ("z", "y", "x")), "zyx").axes == "ZYX"


def test_names_that_say_nothing_need_axes():
    assert '"wavelength", "y" and "x"' in refusal(Named(STACK, ("wavelength", "y", "x")))
    assert read_image(Named(STACK, ("wavelength", "y", "x")), "CYX").axes == "CYX"
    assert "give axes" in refusal(Named(STACK[0], ("a", "b")))
    assert "give axes" in refusal(Named(STACK, ("y", "y", "x")))


def test_dimensions_that_nobody_named_are_as_in_any_array():
    assert read_image(Named(STACK[0], ("dim_0", "dim_1"))).axes == "YX"
    assert "(3, 12, 16)" in refusal(Named(STACK, ("dim_0", "dim_1", "dim_2")))


def test_zarr_arrays_may_name_their_dimensions(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", data=STACK, dimension_names=("t", "x", "y"))
    assert read_image(tmp_path / "a.zarr").axes == "TXY"
    assert open_image(zarr.open(tmp_path / "a.zarr")).axes == "TXY"
    older = zarr.create_array(tmp_path / "b.zarr", data=STACK, zarr_format=2)
    older.attrs["_ARRAY_DIMENSIONS"] = ["z", "y", "x"]
    assert read_image(tmp_path / "b.zarr").axes == "ZYX"


# -- damaged stores


def edited(folder, **entries):
    zarr.create_array(folder, data=STACK[0], chunks=(4, 4))
    described = json.loads((folder / "zarr.json").read_text()) | entries
    (folder / "zarr.json").write_text(json.dumps(described))
    return folder


def chunks(*shape):
    return {"name": "regular", "configuration": {"chunk_shape": shape}}


# later versions read such an array as one chunk of fill values, with a warning
without_repair = pytest.mark.skipif(Version(zarr.__version__) >= Version("3.4"), reason="zarr 3.4")


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"shape": (10**7, 10**7)}, "(10000000, 10000000)"),
        ({"shape": (2**62, 2**62)}, "chunks"),
        ({"shape": (10**5, 10**5), "chunk_grid": chunks(10**4, 10**4)}, "20 GB"),
        ({"chunk_grid": chunks(10**6, 10**6)}, "2,000 GB"),
        pytest.param({"chunk_grid": chunks(0, 4)}, "(0, 4)", marks=without_repair),
        ({"shape": [-1, 8]}, "cannot be opened"),
        ({"codecs": [{"name": "nobody knows"}]}, "nobody knows"),
    ],
)
def test_zarr_arrays_of_absurd_shapes_are_refused(tmp_path, entries, said):
    message = refusal(edited(tmp_path / "a.zarr", **entries), "YX")
    assert "a.zarr" in message
    assert said in message


@pytest.mark.parametrize("text", ["[" * 50_000, '{"a":' * 50_000, "", "\x00", "[]", "3"])
@pytest.mark.parametrize("file", ["zarr.json", ".zarray"])
def test_zarr_metadata_that_is_none_is_refused(tmp_path, file, text):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / file).write_text(text)
    assert "a.zarr" in refusal(tmp_path / "a.zarr")


def test_a_zarr_group_with_a_damaged_array_is_refused(tmp_path):
    zarr.open_group(tmp_path / "a.zarr", mode="w").create_array("0", data=STACK)
    (tmp_path / "a.zarr" / "0" / "zarr.json").write_text("[" * 50_000)
    assert "a.zarr" in refusal(tmp_path / "a.zarr")


# -- values and sizes


@pytest.mark.parametrize("value", [1e300, -1e300, 3.5e38])
def test_values_beyond_those_of_32_bits_are_refused_with_their_place(value):
    pixels = STACK[0].astype(np.float64)
    pixels[3, 5] = value
    with pytest.raises(ImageError) as caught:
        read_image(pixels)
    assert "Y=3, X=5" in str(caught.value)
    assert f"{value:.3g}" in str(caught.value)


def test_an_image_larger_than_memory_is_refused_with_what_it_takes(monkeypatch, tmp_path):
    zarr.create_array(tmp_path / "a.zarr", data=STACK)
    monkeypatch.setattr(memory, "machine_memory", lambda: 1000)
    for source in (STACK, tmp_path / "a.zarr", open_image(tmp_path / "a.zarr", "TYX")):
        with pytest.raises(ImageError, match=r"take 0\.0 MB of memory.*crop the image"):
            read_image(source, "TYX")


def test_running_out_of_memory_is_an_error_in_words():
    class Greedy(Named):
        def __array__(self, *args, **kwargs):
            raise MemoryError("unable to allocate")

        def __getitem__(self, key):
            raise MemoryError("unable to allocate")

    greedy = Greedy(STACK, ("t", "y", "x"))
    for read in (read_image, lambda source: next(open_image(source).planes())):
        with pytest.raises(ImageError, match=r"array 1: its pixels, of shape \(3, 12, 16\)"):
            read(greedy)


@pytest.mark.parametrize("part", ["zarr.json", "c/0/0"])
def test_a_pipe_in_a_zarr_folder_is_refused_and_not_waited_for(tmp_path, part):
    folder = tmp_path / "a.zarr"
    zarr.create_array(folder, data=STACK[0], chunks=(4, 4))
    (folder / part).unlink()
    os.mkfifo(folder / part)
    message = refusal(folder, "YX")
    assert "a.zarr" in message and part.rpartition("/")[2] in message and "pipe" in message
