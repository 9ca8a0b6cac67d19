"""Layers become images, and restorations become layers, wherever they lie."""

import doctest
from importlib import import_module

import numpy as np
import pytest

from ladderscope.images import ImageError, write_image
from ladderscope.models import Restoration

REASON = "napari is not installed: make extras, or pip install 'ladderscope[napari]'"
napari_layers = pytest.importorskip("napari.layers", reason=REASON, exc_type=ImportError)
ours = pytest.importorskip("ladderscope.napari.layers", reason=REASON, exc_type=ImportError)

PLANE = np.arange(72, dtype=np.float32).reshape(8, 9)
STACK = np.stack([PLANE] * 3)


MODULES = ("layers", "panel", "sample_data", "work")  # those with examples


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_run(module):
    found = doctest.testmod(import_module(f"ladderscope.napari.{module}"))
    assert found.attempted
    assert not found.failed


def shown(data):
    return [napari_layers.Layer.create(*one) for one in data]


@pytest.mark.parametrize(
    ("pixels", "about", "axes"),
    [
        (PLANE, {}, "YX"),
        (STACK, {}, "ZYX"),
        (STACK, {"axis_labels": ("t", "y", "x")}, "TYX"),
        (STACK, {"axis_labels": ("channel", "y", "x")}, "CYX"),
        (STACK, {"axis_labels": ("rows", "y", "x")}, "ZYX"),
        (STACK, {"units": ("s", "um", "um")}, "TYX"),
        (STACK[None], {}, "TZYX"),
    ],
)
def test_the_axes_of_a_layer_are_those_that_it_names_or_else_a_stack(pixels, about, axes):
    assert ours.likely_axes(napari_layers.Image(pixels, **about)) == axes


def test_sizes_are_known_only_where_the_units_are():
    metric = {"scale": (2, 0.5, 0.25), "units": ("um", "um", "um")}
    image = ours.given_layer(napari_layers.Image(STACK, **metric), "ZYX").image
    assert (image.pixel_size, image.acquisition.slice_spacing) == ((0.5, 0.25), 2.0)
    image = ours.given_layer(napari_layers.Image(STACK, scale=(2, 0.5, 0.25)), "ZYX").image
    assert (image.pixel_size, image.acquisition.slice_spacing) == (None, None)
    movie = {"scale": (3, 500, 500), "units": ("s", "nm", "nm")}
    image = ours.given_layer(napari_layers.Image(STACK, **movie), "TYX").image
    assert (image.pixel_size, image.acquisition.frame_interval) == ((0.5, 0.5), 3.0)


def test_the_finest_of_several_resolutions_is_restored():
    layer = napari_layers.Image([PLANE, PLANE[::2, ::2]], multiscale=True)
    assert np.array_equal(ours.given_layer(layer, "YX").image.array, PLANE)


def test_a_lazy_layer_stays_where_it_is_until_it_is_read():
    dask = pytest.importorskip("dask.array")
    read = []

    def block(block_info=None):
        read.append(block_info)
        return PLANE

    layer = napari_layers.Image(
        dask.map_blocks(block, chunks=(8, 9), dtype=np.float32, meta=PLANE), contrast_limits=(0, 72)
    )
    read.clear()
    image = ours.given_layer(layer, "YX").image
    assert read == []
    assert np.array_equal(image.array[2:4], PLANE[2:4])


@pytest.mark.parametrize(
    ("layer", "fact"),
    [
        (napari_layers.Image(np.zeros((8, 9, 3), "u1"), rgb=True, name="photo"), "Split RGB"),
        (napari_layers.Labels(np.zeros((8, 9), int), name="photo"), "labels layer"),
    ],
)
def test_what_shows_no_intensities_is_refused(layer, fact):
    with pytest.raises(ImageError, match=fact) as refused:
        ours.given_layer(layer, "YX")
    assert "photo" in str(refused.value)


def test_restorations_lie_where_their_layer_lies_turned_or_not():
    about = {"scale": (2, 3), "translate": (4, 5), "rotate": 30, "shear": [0.2]}
    layer = napari_layers.Image(PLANE, affine=np.diag([2.0, 2, 1]), **about)
    given = ours.given_layer(layer, "YX")
    restored = Restoration(PLANE, PLANE, "YX", samples=2)
    samples, error_bar, mean = shown(ours.layers_of(given, restored, np.stack([PLANE] * 2)))
    for one in (error_bar, mean):
        assert np.allclose(one.data_to_world((3, 4)), layer.data_to_world((3, 4)))
    assert np.allclose(samples.data_to_world((1, 3, 4)), (1, *layer.data_to_world((3, 4))))


@pytest.mark.parametrize("residual", [PLANE, PLANE[None]], ids=["without C", "with C"])
def test_the_residual_of_a_split_lies_where_its_image_lies(residual):
    given = ours.given_layer(napari_layers.Image(PLANE, name="both", scale=(2, 2)), "YX")
    restored = Restoration(STACK[:2], None, "CYX", residual=residual)
    lowest, *others = shown(ours.layers_of(given, restored))
    assert lowest.name == "both, residual" and not lowest.visible and len(others) == 2
    assert np.array_equal(lowest.data, PLANE) and list(lowest.scale) == [2, 2]


def test_channels_become_layers_with_their_names():
    layer = napari_layers.Image(STACK, scale=(1, 2, 2), axis_labels=("c", "y", "x"))
    given = ours.given_layer(layer, "CYX")
    restored = Restoration(STACK, None, "CYX", channel_names=("a", "b", "c"))
    found = shown(ours.layers_of(given, restored))
    assert [one.name.split(", ")[1] for one in found] == ["a", "b", "c"]
    assert all(list(one.scale) == [2, 2] for one in found)
    assert all(one.axis_labels == ("y", "x") for one in found)


def test_a_file_is_shown_with_its_sizes_and_its_channels(tmp_path):
    path = tmp_path / "cells.ome.tif"
    write_image(path, STACK[:2], "CYX", pixel_size=(0.2, 0.1), channel_names=("DAPI", "GFP"))
    given = ours.given_file(str(path), None)
    found = shown(ours.layers_of_input(given))
    assert [one.name for one in found] == ["cells.ome.tif, DAPI", "cells.ome.tif, GFP"]
    assert [list(one.scale) for one in found] == [[0.2, 0.1]] * 2
    assert str(found[0].units[0]) == "micrometer"
