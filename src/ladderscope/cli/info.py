"""``ladderscope info``: the contents of a model file, in words."""

from typing import TYPE_CHECKING

from ladderscope.cli import options

if TYPE_CHECKING:
    from ladderscope.images import Statistics
    from ladderscope.models.file import Model


def info(model: options.ModelFile) -> None:
    """Show what a model is, what it was trained on, and how the training went."""
    from datetime import datetime

    from ladderscope.cli.summary import calibration_rows, noise_rows
    from ladderscope.cli.terminal import show_summary
    from ladderscope.models.file import read_model
    from ladderscope.report.words import channel_names, levels_in_words
    from ladderscope.words import counted

    found = read_model(model)
    outcome, settings = found.outcome, found.settings
    ended = datetime.fromisoformat(found.created).astimezone()
    done = "imported" if found.imported else "trained"
    parameters = sum(value.numel() for value in found.weights.values())
    names = channel_names(found)
    several = len(names) > 1
    rows = [
        ("file", str(model)),
        ("kind", f"{_kind(found)}, {parameters:,} parameters"),
        ("made by", f"Ladderscope {found.version}, {done} {ended:%Y-%m-%d %H:%M}"),
        ("images", f"axes {found.axes}, {counted(len(names), 'channel')}"),
    ]
    for name, statistics in zip(names, found.statistics, strict=True):
        rows.append(("values", f"{f'{name}: ' if several else ''}{_values(statistics)}"))
    if found.mixture is not None:
        rows.append(("mixed", found.mixture.mixing.in_words(names)))
        rows.append(("values", f"mixed images: {_values(found.mixture.statistics)}"))
    rows += noise_rows(found)
    rows += calibration_rows(found) or [("intervals", "not calibrated")]
    rows.append(("training", f"by {found.trained_by}" if found.imported else _training(found)))
    if outcome.history:
        last = outcome.history[-1]
        rows += [
            (
                "loss",
                f"{last.validation_loss:.4f} = reconstruction {last.validation_reconstruction:.4f} "
                f"+ KL {last.validation_kl:.4f} (validation, means in nats)",
            ),
            ("levels", levels_in_words(found)),
        ]
    listed = (f"{name} {value}" for name, value in settings if value is not None)
    rows.append(("settings", ", ".join(listed)))
    rows += [("notice", notice) for notice in found.notices]
    rows.append(("thumbnail", "yes, a crop of a training image" if found.thumbnail else "no"))
    show_summary(rows)


def _kind(model: "Model") -> str:
    from ladderscope.models import SplitterSettings

    settings = model.settings
    if not isinstance(settings, SplitterSettings):
        return model.kind
    views = (
        f"lateral context of {settings.context} views"
        if settings.context > 1
        else "no lateral context"
    )
    return f"{model.kind} ({settings.method}, {views})"


def _training(model: "Model") -> str:
    from ladderscope.words import duration

    outcome = model.outcome
    budget = next(
        f"{value:g} {name}"
        for name in ("minutes", "steps", "epochs")
        if (value := getattr(model.settings, name)) is not None
    )
    ended = ", interrupted" if outcome.interrupted else ""
    return (
        f"{outcome.steps} steps in {duration(outcome.seconds)} of a budget of {budget}{ended}; "
        f"best step {outcome.best_step}, {outcome.skipped} batches skipped, seed {model.seed}"
    )


def _values(statistics: "Statistics") -> str:
    return f"mean {statistics.mean:.5g}, standard deviation {statistics.std:.5g}"
