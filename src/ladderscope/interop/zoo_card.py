"""What the BioImage Model Zoo shows of a model: tags, citations and a documentation."""

from collections.abc import Mapping
from dataclasses import dataclass

from ladderscope.models import SplitterSettings
from ladderscope.models.file import Model

_HDN = (
    "Prakash et al., Interpretable unsupervised diversity denoising and artefact removal, ICLR "
    "2022",
    "10.48550/arXiv.2104.01374",
)
_OF_SPLITTING = {
    "musplit": (
        "Ashesh et al., µSplit: image decomposition for fluorescence microscopy, ICCV 2023",
        "10.48550/arXiv.2211.12872",
    ),
    "denoisplit": (
        "Ashesh and Jug, denoiSplit: a method for joint microscopy image splitting and "
        "unsupervised denoising, ECCV 2024",
        "10.48550/arXiv.2403.11854",
    ),
    "microsplit": (
        "Ashesh et al., MicroSplit: semantic unmixing of fluorescent microscopy data, Nature "
        "Methods 2026",
        "10.1038/s41592-026-03082-1",
    ),
}


@dataclass(frozen=True)
class Card:
    """What the zoo shows of a model beside what the model itself says.

    Attributes
    ----------
    name : str
        Of letters, digits, spaces and ``_+-()``; by default made of the name of the file.
    description : str
        A sentence.
    authors : tuple of str
        Who trained the model. The zoo asks for one at least.
    licence : str
        Identifier of SPDX, such as ``"CC-BY-4.0"``. The zoo asks for it.
    tags : tuple of str
        Beside our own, such as ``"nuclei"``.
    """

    name: str = ""
    description: str = ""
    authors: tuple[str, ...] = ()
    licence: str = ""
    tags: tuple[str, ...] = ()


UNSAID = Card()


def tags_of(model: Model) -> list[str]:
    """Tag a model with the zoo's own words, and with its method."""
    settings = model.settings
    of_method = (
        ["image-restoration", settings.method]
        if isinstance(settings, SplitterSettings)
        else ["denoising", "hdn"]
    )
    return [
        f"{model.architecture.dimensions}d",
        "fluorescence-light-microscopy",
        "pytorch",
        *of_method,
        "uncertainty",
        "ladderscope",
    ]


def citation_of(model: Model) -> list[tuple[str, str]]:
    """Name the paper of the method, and its DOI."""
    settings = model.settings
    return [_OF_SPLITTING[settings.method] if isinstance(settings, SplitterSettings) else _HDN]


def documentation_of(model: Model, facts: Mapping[str, str]) -> str:
    """Write the page that describes a model in the zoo."""
    lines = "\n".join(f"| {name} | {text} |" for name, text in facts.items())
    what = (
        "splits an image of superimposed structures into one image per structure"
        if model.kind == "splitter"
        else "removes noise from images like those that it was trained on"
    )
    return f"""# {model.kind.capitalize()} trained with Ladderscope

The model {what}. It restores in a single pass: `mean` is the restored image and `std`, where there
is one, its error bar (standard deviation). Both are in the grey levels of the image. Normalisation
and padding are inside. The whole model, which also draws posterior samples, is the attachment
`model.ladder`: `ladderscope import bioimage` takes it out.

| | |
| --- | --- |
{lines}

## Validation

A model only knows its training images. On images of another stain, microscope or exposure it may
invent structure. Compare it with the truth before you rely on it: restore images whose truth is
known, such as averages of many frames, and look at the error relative to the error bar
(`ladderscope evaluate`). Measure intensities on the raw images.
"""
