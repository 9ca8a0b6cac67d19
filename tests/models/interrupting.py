"""Interrupts a prediction where a test wants it, and compares what it has written."""

from ladderscope.models import restoring


class Killed(BaseException):
    """As sudden as a signal."""


def files_in(folder):
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def after(count, does, then):
    """Let a function work so many times, and raise afterwards."""
    calls = []

    def counted(*args, **kwargs):
        calls.append(1)
        if len(calls) > count:
            raise then
        return does(*args, **kwargs)

    return counted


def tiles_asked_for(monkeypatch):
    """List the tiles for which the network is asked from now on."""
    tiles, ask = [], restoring.restore_tile

    def noted(network, part, tile, *args, **kwargs):
        tiles.append(tile.core)
        return ask(network, part, tile, *args, **kwargs)

    monkeypatch.setattr(restoring, "restore_tile", noted)
    return tiles
