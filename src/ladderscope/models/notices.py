"""What fitting reports to the user, and what the model stores of it."""

import logging

logger = logging.getLogger("ladderscope")


class Notices:
    """Logs what is reported while fitting, and keeps it for the model."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.warnings: list[str] = []
        self.advice: list[str] = []

    def __call__(self, text: str, level: int = logging.INFO) -> None:
        """Log a sentence, and keep it."""
        self.said.append(text)
        if level >= logging.WARNING:
            self.warnings.append(text)
        logger.log(level, "%s", text)

    def warn(self, text: str) -> None:
        """Log a warning, and keep it."""
        self(text, logging.WARNING)

    def advise(self, text: str) -> None:
        """Log what would give a better result, and keep it for the end of the run too."""
        self(text)
        self.advice.append(text)
