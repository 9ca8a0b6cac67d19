"""Zarr stores on the network, through fsspec and the drivers of the extra ``remote``."""

import logging
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ladderscope.images.errors import ImageError

logger = logging.getLogger("ladderscope")

WAIT = 30.0  # seconds that a server may be silent
_AT_ONCE = 16
_UNKNOWN_CODEC = re.compile(  # as zarr says it, before version 3.4 and since
    r"codec(?: not available)?:\s*['\"]+([^'\"]+)['\"]|codec '([^']+)' is not available",
    re.IGNORECASE,
)


def read_remote(url: str, most: int) -> bytes | None:
    """Read a small file from the network.

    Parameters
    ----------
    url
        Where it is.
    most
        How many bytes it may have.

    Returns
    -------
    bytes or None
        None if there is no such file.

    Raises
    ------
    ImageError
        If the server does not answer, refuses, or sends more; or if its driver is not installed.
    """
    files, path = _files(url)
    try:
        content: bytes = files.cat_file(path)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
    except Exception as error:  # each driver raises its own
        raise ImageError(f"{url}: cannot be read ({reason(error)}).") from error
    if len(content) > most:
        raise ImageError(f"{url}: is too large to describe an array.")
    return content


def remote_store(url: str) -> Any:
    """Make a Zarr store of what lies at an address; the first missing chunk is named in a warning.

    Parameters
    ----------
    url
        Where an array is.
    """
    from zarr.storage import FsspecStore, WrapperStore

    files, path = _files(url, asynchronous=True)

    class Watched(WrapperStore[FsspecStore]):
        said = False

        async def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
            value = await self._store.get(key, *args, **kwargs)
            if value is None and not Watched.said and not key.endswith(("zarr.json", ".zattrs")):
                Watched.said = True
                logger.warning(
                    "%s: the chunk %s is missing, lost or left out because every pixel in it has "
                    "the fill value, and perhaps more are. Missing chunks are read as the fill "
                    "value.",
                    url,
                    key,
                )
            return value

    return Watched(FsspecStore(files, path=path, read_only=True))


def count_missing(url: str, keys: Iterable[str]) -> int:
    """Count the files that are not there.

    Parameters
    ----------
    url
        The folder.
    keys
        Their names in it.
    """
    files, path = _files(url)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return sum(not one for one in threads.map(files.exists, (f"{path}/{key}" for key in keys)))


def reason(error: Exception) -> str:
    """Say in words what a store raised.

    Examples
    --------
    >>> reason(TimeoutError())
    'the server did not answer in time; try again, or copy the image to this computer'
    >>> reason(ValueError("it is too large"))
    'it is too large'
    """
    if isinstance(error, TimeoutError):
        return "the server did not answer in time; try again, or copy the image to this computer"
    if found := _UNKNOWN_CODEC.search(str(error)):
        return (
            f'its codec "{found[1] or found[2]}" is not installed here: install the package that '
            "has it, or export the image again with another one, such as zstd, blosc or gzip"
        )
    return str(error) or type(error).__name__


def _files(url: str, **how: Any) -> tuple[Any, str]:
    """Give the driver for an address, and the address as it takes it."""
    try:
        import fsspec

        scheme = url.partition(":")[0]
        files = fsspec.filesystem(scheme, **_patience(scheme), **how)
        return files, files._strip_protocol(url).rstrip("/")
    except ImportError as error:
        raise ImageError(
            f"{url}: reading from the network needs more packages ({error}); run "
            'pip install "ladderscope[remote]".'
        ) from error


def _patience(scheme: str) -> dict[str, Any]:
    if scheme in ("http", "https"):
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=WAIT, sock_read=WAIT)
        return {"client_kwargs": {"timeout": timeout}}
    if scheme == "s3":
        return {"config_kwargs": {"connect_timeout": WAIT, "read_timeout": WAIT}}
    return {}
