"""The scores of restorations: shown as a table, and written as JSON, CSV and a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from ladderscope.evaluation import ChannelScores, SpreadScores

_LABEL_WIDTH = 24
_COLUMN_WIDTH = 11
_NONE = "–"
_OTHER_UNITS = 3.0  # decibels: half of the squared error is a wrong scale or offset


class Comparison(NamedTuple):
    """The files that are compared: the truth is one, or one per channel."""

    prediction: Path
    truths: tuple[Path, ...]
    spread: Path | None


Compared: TypeAlias = "tuple[Comparison, tuple[ChannelScores, ...]]"
Failure: TypeAlias = tuple[Comparison, str]


def show(one: Comparison, scores: "Sequence[ChannelScores]") -> None:
    """Print the scores of one image, a column per channel."""
    from ladderscope.cli.terminal import show_summary
    from ladderscope.evaluation import microssim_installed
    from ladderscope.evaluation.similarity import MS_SSIM_SIDE
    from ladderscope.evaluation.spread import BRIGHTNESS_LEVEL
    from ladderscope.words import percent, rounded

    small = f"needs images of at least {MS_SSIM_SIDE}×{MS_SSIM_SIDE} pixels"
    absent = _why_no_microssim()
    all_small = microssim_installed() and all(score.ms_ssim is None for score in scores)
    width = max(_COLUMN_WIDTH, *(len(score.channel) for score in scores)) + 2
    rows = [("file", str(one.prediction)), *(("truth", str(path)) for path in one.truths)]
    if one.spread is not None:
        rows.append(("spread", str(one.spread)))

    def line(label: str, cells: Sequence[str | None], why: str = "") -> None:
        if all(cell is None for cell in cells):
            shown = f"  {_NONE}  ({why})"
        else:
            shown = "".join((cell or _NONE).rjust(width) for cell in cells)
        rows.append((label.ljust(_LABEL_WIDTH), shown))

    def numbers(
        label: str, values: Sequence[float | None], why: str = "", form: str = ".3f"
    ) -> None:
        line(label, [None if value is None else f"{value:{form}}" for value in values], why)

    if len(scores) > 1:
        line("", [score.channel for score in scores])
    numbers("PSNR, dB", [score.psnr for score in scores], form=".2f")
    numbers("range-invariant, dB", [score.range_invariant_psnr for score in scores], form=".2f")
    numbers("SSIM", [score.ssim for score in scores])
    numbers("MS-SSIM", [score.ms_ssim for score in scores], small)
    numbers("MicroSSIM", [score.micro_ssim for score in scores], absent)
    numbers("MicroMS3IM", [score.micro_ms3im for score in scores], small if all_small else absent)
    spreads = [score.spread for score in scores if score.spread is not None]
    if spreads:
        ranks = [spread.ranks_errors for spread in spreads]
        numbers("spread ranks errors", ranks, "the spread or the error is constant")
        line("CRPS, grey levels", [rounded(spread.crps) for spread in spreads])
        for each in zip(*(spread.coverage for spread in spreads), strict=True):
            label = f"{percent(each[0].level)} intervals cover"
            numbers(label, [coverage.found for coverage in each])
            bounds = [f"{coverage.lower:.3f}–{coverage.upper:.3f}" for coverage in each]
            line("  95 % confidence", bounds)
        for name, number in (("darkest", 0), ("brightest", -1)):
            label = f"{percent(BRIGHTNESS_LEVEL)}: {name} fifth"
            fifths = [spread.by_brightness[number] for spread in spreads]
            numbers(label, fifths, "too many pixels are equally bright")
        numbers("calibration error", [spread.calibration_error for spread in spreads])
        relative = [spread.normalised_calibration_error for spread in spreads]
        numbers("normalised, by spread", relative)
    show_summary(rows)
    _warn_of_other_units(one, scores)


def write_json(
    path: Path, done: Sequence[Compared], failures: Sequence[Failure], overwrite: bool
) -> None:
    """Write what was found as strict JSON, which knows no infinity: null."""
    import json

    from ladderscope.files import whole_file

    def about(one: Comparison) -> dict[str, object]:
        return {
            "prediction": str(one.prediction),
            "truth": [str(truth) for truth in one.truths],
            "spread": None if one.spread is None else str(one.spread),
        }

    images = [
        about(one) | {"channels": [_plain(vars(score)) for score in scores]} for one, scores in done
    ]
    failed = [about(one) | {"reason": reason} for one, reason in failures]
    text = json.dumps({"images": images, "failures": failed}, indent=2, allow_nan=False)
    with whole_file(path, overwrite) as unfinished:
        unfinished.write_text(f"{text}\n", encoding="utf-8")


def write_csv(
    path: Path, done: Sequence[Compared], failures: Sequence[Failure], overwrite: bool
) -> None:
    """Write a row for each channel of each image that was scored."""
    import csv

    from ladderscope.files import whole_file

    rows = [
        {
            "prediction": str(one.prediction),
            "truth": str(one.truths[min(number, len(one.truths) - 1)]),
            **_columns(score),
        }
        for one, scores in done
        for number, score in enumerate(scores)
    ]
    columns = dict.fromkeys(column for row in rows for column in row)
    with (
        whole_file(path, overwrite) as unfinished,
        unfinished.open("w", encoding="utf-8", newline="") as file,
    ):
        table = csv.DictWriter(file, columns, restval="")
        table.writeheader()
        table.writerows(rows)


def write_picture(
    path: Path, done: Sequence[Compared], failures: Sequence[Failure], overwrite: bool
) -> None:
    """Draw reliability diagrams, if any image that was scored has a spread."""
    from ladderscope.files import whole_file
    from ladderscope.report import reliability_figure

    channels: dict[str, list[SpreadScores]] = {}
    for _, scores in done:
        for score in scores:
            if score.spread is not None:
                channels.setdefault(score.channel, []).append(score.spread)
    if channels:
        drawn = reliability_figure([*channels.items()], path.suffix.lower().removeprefix("."))
        with whole_file(path, overwrite) as unfinished:
            unfinished.write_bytes(drawn)


def _plain(value: object) -> object:
    """Turn scores into what JSON has: named values, lists, and null for what is not finite."""
    import math
    from dataclasses import is_dataclass

    if is_dataclass(value):
        value = vars(value)
    elif isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _columns(score: "ChannelScores") -> dict[str, object]:
    """Flatten the scores of one channel; the reliability diagram is left to the JSON."""
    columns = dict(vars(score))
    del columns["spread"]
    spread = score.spread
    if spread is not None:
        columns |= {"spread_ranks_errors": spread.ranks_errors, "crps": spread.crps}
        for one in spread.coverage:
            name = f"coverage_{100 * one.level:.0f}"
            columns |= {name: one.found, f"{name}_lower": one.lower, f"{name}_upper": one.upper}
        columns |= {
            f"coverage_90_fifth_{number}": found
            for number, found in enumerate(spread.by_brightness, 1)
        }
        columns["calibration_error"] = spread.calibration_error
        columns["normalised_calibration_error"] = spread.normalised_calibration_error
    return columns


def _why_no_microssim() -> str:
    from ladderscope.evaluation import microssim_installed
    from ladderscope.evaluation.scores import MICRO_PIXELS

    if microssim_installed():
        return (
            "the truth is at its maximum nearly everywhere, or has more than "
            f"{MICRO_PIXELS / 1e6:.0f} million pixels"
        )
    return 'needs the microssim package: run "pip install microssim"'


def _warn_of_other_units(one: Comparison, scores: "Sequence[ChannelScores]") -> None:
    import logging

    for score in scores:
        # without a spread, it may be a noisy image, in which a scale merely reduces the noise
        other = score.range_invariant_psnr - score.psnr > _OTHER_UNITS
        if other and score.spread is not None:
            logging.getLogger("ladderscope").warning(
                "%s: more than half of the squared error of %s is a wrong scale or offset. If the "
                "truth was recorded with another exposure or black level, use range-invariant "
                "PSNR, and no coverage: that of the intervals, and CRPS, are affected as well.",
                one.prediction,
                score.channel,
            )
