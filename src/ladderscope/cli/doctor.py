"""``ladderscope doctor``: the facts about an installation that belong into a bug report."""

import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

_PACKAGES = ("torch", "lightning", "numpy", "scipy", "tifffile", "imagecodecs", "zarr", "pydantic")
_REQUIREMENT = re.compile(r"([\w.-]+).*;.*extra\s*==\s*['\"]([\w-]+)['\"]")


def doctor() -> None:
    """Show what a bug report needs: versions, device, memory, free disk space, optional parts.

    Nothing is sent anywhere, and nothing is looked up on the network.
    """
    from ladderscope.cli.terminal import show_summary

    show_summary([*facts()])


def facts() -> Iterator[tuple[str, str]]:
    """Give the facts one by one; one that cannot be found out is given with the reason."""
    yield from _tried("version", lambda: f"Ladderscope {metadata.version('ladderscope')}")
    yield "python", f"{platform.python_version()} ({platform.python_implementation()})"
    yield from _tried("system", lambda: f"{platform.platform()}, {platform.machine()}")
    yield from _tried("processor", _processor)
    yield from _tried("memory", _memory)
    yield from _tried("disk", lambda: f"{_free(Path.cwd())} in this folder")
    yield from _tried("disk", lambda: f"{_free(Path(tempfile.gettempdir()))} for temporary files")
    yield from (("package", f"{name} {_version(name) or 'missing'}") for name in _PACKAGES)
    yield from _tried("device", _device)
    yield from _tried("bfloat16", _bfloat16)
    yield from _tried("compiler", _compiler)
    yield from _tried("threads", _threads)
    extras = _extras()
    for extra, names in extras.items():
        missing = [name for name in names if _version(name) is None]
        yield "extra", f"{extra}: {_installed(names, missing)}"


def _tried(label: str, ask: Callable[[], str]) -> Iterator[tuple[str, str]]:
    try:
        yield label, ask()
    except Exception as error:  # a broken installation is what this command is for
        yield label, f"cannot be found out: {type(error).__name__}: {error}"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    cores = os.cpu_count()
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    return f"{usable} of {cores} cores can be used"


def _memory() -> str:
    from ladderscope.words import data_size

    page = os.sysconf("SC_PAGE_SIZE")
    whole, free = (page * os.sysconf(f"SC_{name}") for name in ("PHYS_PAGES", "AVPHYS_PAGES"))
    return f"{data_size(free)} of {data_size(whole)} unused (without what the system caches)"


def _free(folder: Path) -> str:
    from ladderscope.words import data_size

    return f"{data_size(shutil.disk_usage(folder).free)} free"


def _device() -> str:
    import torch

    from ladderscope.machine import best_device

    device = best_device()
    if device.type != "cuda":
        return str(device)
    found = (torch.cuda.get_device_properties(at) for at in range(torch.cuda.device_count()))
    return ", ".join(f"cuda: {one.name}, {one.total_memory / 1e9:.0f} GB" for one in found)


def _bfloat16() -> str:
    from ladderscope.machine import best_device, fast_type

    return "computed by the device" if fast_type(best_device()) is not None else "not used"


def _compiler() -> str:
    from ladderscope.machine import has_compiler

    return "found" if has_compiler() else "none found: training and long predictions are slower"


def _threads() -> str:
    import torch

    return f"{torch.get_num_threads()} used by PyTorch"


def _extras() -> dict[str, list[str]]:
    """List the packages of each optional part, as the installation states them."""
    try:
        stated = metadata.requires("ladderscope") or []
    except metadata.PackageNotFoundError:
        return {}
    extras: dict[str, list[str]] = {}
    for requirement in stated:
        if (found := _REQUIREMENT.match(requirement)) and found[1] != "ladderscope":
            extras.setdefault(found[2], []).append(found[1])
    return {name: extras[name] for name in sorted(extras)}


def _installed(names: list[str], missing: list[str]) -> str:
    if not missing:
        return "installed"
    if len(missing) == len(names):
        return "not installed"
    return f"in part; missing: {', '.join(missing)}"
