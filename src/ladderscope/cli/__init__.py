"""The command line. Nothing heavy is imported until a command has work for it."""

import os
import signal

__all__ = ["app", "main"]


def main() -> None:
    """Run the console script. Ctrl-C before a command has work ends it without a word."""
    signal.signal(signal.SIGINT, lambda number, _: os._exit(128 + number))
    from ladderscope.cli.commands import app
    from ladderscope.cli.terminal import prepare_terminal

    prepare_terminal()
    try:
        app()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done, and the status is known


def __getattr__(name: str) -> object:
    if name != "app":
        raise AttributeError(f"module 'ladderscope.cli' has no attribute {name!r}")
    from ladderscope.cli.commands import app

    return app
