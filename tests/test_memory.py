"""Running out of memory is one error, whoever runs out of it."""

import numpy as np
import pytest
import torch

from ladderscope import Denoiser, LadderscopeError
from ladderscope.data import TrainingPatches
from ladderscope.memory import NotEnoughMemory, enough_memory

ALLOCATOR = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 400000000000 bytes. Error code 12 (Cannot allocate memory)"
)
CUDA = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 4.00 GiB"


@pytest.mark.parametrize(
    "error, asked",
    [
        (RuntimeError(ALLOCATOR), "400 GB"),
        (torch.OutOfMemoryError(CUDA), "2.1 GB"),
        (RuntimeError("MPS backend out of memory. Tried to allocate 256.00 MB"), "256 MB"),
        (MemoryError("Unable to allocate 7.28 TiB for an array with shape (5,)"), "8,004 GB"),
        (MemoryError(), None),
        (RuntimeError("std::bad_alloc"), None),
    ],
    ids=str,
)
def test_the_work_the_size_and_the_remedy_are_named(error, asked):
    with (
        pytest.raises(NotEnoughMemory) as found,
        enough_memory("restoring a.tif", "take less of it"),
    ):
        raise error
    said = str(found.value)
    assert isinstance(found.value, LadderscopeError)
    assert "restoring a.tif" in said and "take less of it" in said and "alloc_cpu" not in said
    assert asked in said if asked else "asked" not in said


@pytest.mark.parametrize("allocate", [np.empty, torch.empty, bytearray])
def test_what_no_machine_has_is_named(allocate):
    with pytest.raises(NotEnoughMemory), enough_memory("this", "take less"):
        allocate(10**16)


def test_other_errors_stay_as_they_are():
    with pytest.raises(RuntimeError, match="shapes"), enough_memory("this", "take less"):
        raise RuntimeError("shapes differ")


def ran_out(*_, **__):
    raise RuntimeError(ALLOCATOR)


def test_training_names_what_makes_it_smaller(crops, monkeypatch):
    monkeypatch.setattr(TrainingPatches, "__getitem__", ran_out)
    with pytest.raises(NotEnoughMemory, match=r"4 patches of 32×32.*batch.*patch.*tiny"):
        Denoiser("tiny").fit(crops[0], steps=2, progress=False)


def test_more_samples_than_fit_into_memory_are_refused_with_how_to_write_them(
    denoiser, crops, monkeypatch
):
    monkeypatch.setattr("ladderscope.images.memory.machine_memory", lambda: 10**6)
    with pytest.raises(NotEnoughMemory, match=r"requested 6\.1 MB.*--samples-out"):
        denoiser.sample(crops[0], n=100)


@pytest.mark.parametrize("work", ["predict", "sample"])
def test_restoring_names_what_makes_it_smaller(denoiser, crops, monkeypatch, work):
    monkeypatch.setattr("ladderscope.models.windows.show", ran_out)
    with pytest.raises(NotEnoughMemory, match=r"part of the image.*tile_core"):
        getattr(denoiser, work)(crops[0])
