"""The machine at hand: its best device, its fast arithmetic, and how its memory is best kept."""

import atexit
import ctypes
import getpass
import os
import platform
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch

from ladderscope.errors import LadderscopeError

_DEFAULT_TYPE = threading.RLock()
_COMPILE_CACHE = "TORCHINDUCTOR_CACHE_DIR"
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEEP_UP_TO = (2**30, 2**25)  # older versions of glibc refuse the first


def best_device(wanted: str | None = None) -> torch.device:
    """Give the device that was asked for, or the best there is.

    Raises
    ------
    LadderscopeError
        There is no such device, or not on this machine.

    Examples
    --------
    >>> best_device("cpu")
    device(type='cpu')
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted is None:
        return torch.device(next((name for name, is_there in there.items() if is_there), "cpu"))
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise LadderscopeError(f"device={wanted!r}: give cpu, cuda or mps") from None
    if not there.get(device.type, device.type == "cpu"):
        raise LadderscopeError(
            f"device={wanted!r}: PyTorch finds no such device on this machine; give another"
        )
    return device


def fast_type(device: torch.device) -> torch.dtype | None:
    """Give bfloat16 where the device computes in it by itself; None means float32.

    Examples
    --------
    >>> fast_type(torch.device("cpu")) in (None, torch.bfloat16)
    True
    """
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        native = any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16", "arm_bf16"))
    else:
        native = False
    return torch.bfloat16 if native else None


@contextmanager
def single_precision() -> Iterator[None]:
    """Make the modules that the block builds float32, whatever torch's default type is.

    Examples
    --------
    >>> torch.set_default_dtype(torch.float64)
    >>> with single_precision():
    ...     torch.nn.Linear(1, 1).weight.dtype
    torch.float32
    >>> torch.set_default_dtype(torch.float32)
    """
    with _DEFAULT_TYPE:
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(before)


@contextmanager
def usual_device() -> Iterator[None]:
    """Make tensors on the CPU where none else is named, whatever torch's default device is.

    Examples
    --------
    >>> torch.set_default_device("meta")
    >>> with usual_device():
    ...     torch.zeros(1).device
    device(type='cpu')
    >>> torch.set_default_device(None)
    """
    with nullcontext() if torch.get_default_device().type == "cpu" else torch.device("cpu"):
        yield


def keep_freed_memory() -> None:
    """Tell the C library to keep the memory that tensors free, for the next tensors.

    By default glibc hands every large block back to the system and asks for it anew, and the
    system clears it each time: a quarter of a training step on a CPU. Other C libraries are left
    alone.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        if any(library.mallopt(_M_MMAP_THRESHOLD, limit) for limit in _KEEP_UP_TO):
            library.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def has_compiler() -> bool:
    """Say whether there is a C++ compiler that torch's compiler can call.

    Examples
    --------
    >>> has_compiler() in (True, False)
    True
    """
    if sys.platform == "win32":
        return shutil.which("cl") is not None
    return any(shutil.which(name) for name in ("g++", "clang++", "c++"))


def make_compile_cache() -> None:
    """Give torch's compiler a folder of this process's own where it cannot write to its usual one.

    Without one it cannot even be imported, and every optimizer of torch imports it.
    """
    try:
        named = os.environ.get(_COMPILE_CACHE)
        usual = named or Path(tempfile.gettempdir(), f"torchinductor_{getpass.getuser()}")
        Path(usual).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=usual):
            pass
    except (OSError, KeyError):  # a user without a name, as in containers, is a KeyError
        own = tempfile.mkdtemp(prefix="ladderscope-compiled-")
        os.environ[_COMPILE_CACHE] = own
        atexit.register(shutil.rmtree, own, ignore_errors=True)
