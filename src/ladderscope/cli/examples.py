"""Examples of every command, as its help shows them. The tests parse each."""

EXAMPLES: dict[str, tuple[str, ...]] = {
    "denoise": (
        'ladderscope denoise "day1/*.tif" -o restored',
        "ladderscope denoise stack.tif -o restored --dimensions 3 --minutes 30",
    ),
    "train denoiser": (
        'ladderscope train denoiser "day1/*.tif" -o nuclei.ladder',
        'ladderscope train denoiser "day1/*.tif" -o nuclei.ladder --config run.yaml --resume',
        'ladderscope train denoiser "day2/*.tif" -o day2.ladder --start-from nuclei.ladder',
    ),
    "train splitter": (
        'ladderscope train splitter --channel "nuclei=dna/*.tif" --channel "actin=actin/*.tif" '
        "-o split.ladder",
    ),
    "predict": (
        'ladderscope predict nuclei.ladder "day2/*.tif" -o restored --samples 50',
        "ladderscope predict nuclei.ladder plate.ome.zarr -o restored --resume",
    ),
    "calibrate": (
        'ladderscope calibrate nuclei.ladder "noisy/*.tif"',
        'ladderscope calibrate split.ladder "mixed/*.tif" "truth/*.tif" -o calibrated.ladder',
    ),
    "choose": (
        "ladderscope choose new.tif models",
        "ladderscope choose new.tif nuclei.ladder actin.ladder --json -",
    ),
    "noise fit": (
        'ladderscope noise fit "day1/*.tif" -o camera.json',
        "ladderscope noise fit repeats.tif -o camera.json --repeats T --kind mixture",
    ),
    "noise show": ("ladderscope noise show camera.json -o camera.png",),
    "noise check": (
        'ladderscope noise check "day2/*.tif" --noise camera.json',
        "ladderscope noise check a.tif --json -",
    ),
    "import careamics": (
        "ladderscope import careamics model.ckpt -o model.ladder --data-mean 104.2 --data-std 31.5",
    ),
    "import bioimage": ("ladderscope import bioimage nuclei.zip -o nuclei.ladder",),
    "export bioimage": (
        'ladderscope export bioimage nuclei.ladder -o nuclei.zip --author "A. Lovelace" '
        "--licence CC-BY-4.0",
    ),
    "export careamics": ("ladderscope export careamics nuclei.ladder -o nuclei.pth",),
    "export onnx": ("ladderscope export onnx nuclei.ladder -o nuclei.onnx",),
    "check": (
        'ladderscope check "day1/*.tif"',
        "ladderscope check a.tif --json look.json",
    ),
    "evaluate": (
        "ladderscope evaluate restored truth",
        "ladderscope evaluate a_restored.ome.tif a_clean.tif --json scores.json",
    ),
    "report": (
        "ladderscope report restored",
        "ladderscope report nuclei.ladder -o nuclei.html",
    ),
    "info": ("ladderscope info nuclei.ladder", "ladderscope info nuclei.ladder --json -"),
    "demo": ("ladderscope demo -o demo", "ladderscope demo -o demo --split"),
    "doctor": ("ladderscope doctor", "ladderscope doctor --json -"),
}


def shown(command: str) -> str:
    """Give the examples of a command as the end of its help.

    Examples
    --------
    >>> shown("noise show")
    'Example:\\n\\nladderscope noise show camera.json -o camera.png'
    """
    title = "Example" if len(EXAMPLES[command]) == 1 else "Examples"
    return "\n\n".join([f"{title}:", *EXAMPLES[command]])
