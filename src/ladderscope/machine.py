"""The machine at hand: its best device, its fast arithmetic, and how its memory is best kept."""

import ctypes
import platform

import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEEP_UP_TO = 2**30


def best_device(wanted: str | None = None) -> torch.device:
    """Give the device that was asked for, or the best there is.

    Examples
    --------
    >>> best_device("cpu")
    device(type='cpu')
    """
    if wanted is not None:
        return torch.device(wanted)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


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


def keep_freed_memory() -> None:
    """Tell the C library to keep the memory that tensors free, for the next tensors.

    By default glibc hands every large block back to the system and asks for it anew, and the
    system clears it each time: a quarter of a training step on a CPU. Other C libraries are left
    alone.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _KEEP_UP_TO)
        library.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
