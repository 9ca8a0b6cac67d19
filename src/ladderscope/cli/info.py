"""``ladderscope info``: what a model file holds, in words."""

from ladderscope.cli import options


def info(model: options.ModelFile) -> None:
    """Say what a model is, what it was trained on, and how that went."""
    from datetime import datetime

    from ladderscope.cli.terminal import show_summary
    from ladderscope.report.words import (
        levels_in_words,
        noise_in_words,
    )
    from ladderscope.restorers.file import read_model
    from ladderscope.restorers.progress import duration

    found = read_model(model)
    outcome, settings = found.outcome, found.settings
    trained = datetime.fromisoformat(found.created).astimezone()
    parameters = sum(value.numel() for value in found.weights.values())
    names = found.channel_names or [f"channel {n + 1}" for n in range(len(found.statistics))]
    channels = len(found.statistics)
    rows = [
        ("file", str(model)),
        ("kind", f"denoiser, {parameters:,} parameters"),
        ("made by", f"Ladderscope {found.version}, trained {trained:%Y-%m-%d %H:%M}"),
        ("images", f"axes {found.axes}, {channels} channel{'s' if channels > 1 else ''}"),
    ]
    for name, statistics, noise, fit in zip(
        names, found.statistics, found.noise_models, found.noise_fits, strict=True
    ):
        of = f"{name}: " if channels > 1 else ""
        rows.append(
            ("values", f"{of}mean {statistics.mean:.5g}, standard deviation {statistics.std:.5g}")
        )
        rows.append(("noise", f"{of}{noise_in_words(noise, fit)}"))
    budget = next(
        f"{value:g} {name}"
        for name in ("minutes", "steps", "epochs")
        if (value := getattr(settings, name)) is not None
    )
    ended = ", interrupted" if outcome.interrupted else ""
    rows.append(
        (
            "training",
            f"{outcome.steps} steps in {duration(outcome.seconds)} of a budget of {budget}{ended}; "
            f"best step {outcome.best_step}, {outcome.skipped} batches skipped, seed {found.seed}",
        )
    )
    if outcome.history:
        last = outcome.history[-1]
        rows += [
            (
                "loss",
                f"{last.validation_loss:.4f} = reconstruction {last.validation_reconstruction:.4f} "
                f"+ KL {last.validation_kl:.4f} (validation, nats a pixel)",
            ),
            (
                "levels",
                "KL " + ", ".join(f"{kl:.3g}" for kl in last.level_kl) + " nats a patch, finest "
                "first. "
                + levels_in_words(last.level_kl, settings.free_bits, settings.blind_levels),
            ),
        ]
    listed = (f"{name} {value}" for name, value in settings if value is not None)
    rows.append(("settings", ", ".join(listed)))
    rows += [("notice", notice) for notice in found.notices]
    rows.append(("thumbnail", "yes, a detail of a training image" if found.thumbnail else "no"))
    show_summary(rows)
