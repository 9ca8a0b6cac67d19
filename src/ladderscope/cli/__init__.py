"""The command line. Nothing heavy is imported until a command has work for it."""

from ladderscope.cli.app import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the console script."""
    app()
