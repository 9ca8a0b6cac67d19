"""Frames that show the same scene: found in an image, or declared by the user."""

from ladderscope.images import Image
from ladderscope.inspection.first_look import Finding
from ladderscope.noise import NoiseError
from ladderscope.noise_estimation.same_scene import SceneComparison, compare_frames, some_frames

_ALONG = "TS"


def compare_along(image: Image, letter: str) -> list[SceneComparison]:
    """Compare the frames along an axis, for each channel that has anything to compare.

    Parameters
    ----------
    image
        Its pixels may still be in a file; a few frames are read.
    letter
        The axis. Along any other, the middle is looked at.
    """
    middle = {other: size // 2 for other, size in image.others.items()}
    numbers = some_frames(range(image.sizes[letter]))
    found = []
    for channel in range(image.channels):
        planes = [image.plane({**middle, letter: number}, channel) for number in numbers]
        try:
            found.append(compare_frames(planes))
        except NoiseError:
            continue
    return found


def about_repeats(image: Image) -> list[Finding]:
    """Report frames that show the same scene, and how to use that.

    Examples
    --------
    >>> import numpy as np
    >>> rows, columns = np.mgrid[:128, :128]
    >>> light = 50 + 40 * np.sin(rows / 9) * np.sin(columns / 14)
    >>> frames = np.random.default_rng(0).poisson([light] * 4)
    >>> about_repeats(Image(frames, "TYX", "a.tif"))[0].text[:48]
    'a.tif: its 4 frames (T axis) show the same scene'
    """
    letter = next((one for one in _ALONG if image.sizes.get(one, 1) > 1), None)
    if letter is None:
        return []
    found = compare_along(image, letter)
    if not found or not all(one.is_same for one in found):
        return []
    frames = image.sizes[letter]
    text = (
        f"{image.name}: its {frames} frames ({letter} axis) show the same scene and differ by "
        "noise alone; each is restored by itself. To restore their average instead, whose noise "
        f'has 1/{frames} of the variance, give repeats="{letter}" (--repeats {letter})'
    )
    return [Finding(text, False, "repeats", image.name)]
