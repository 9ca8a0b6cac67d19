"""The napari plugin: widgets that denoise, split and restore what is open in the viewer.

napari finds it by the manifest ``napari.yaml``. Like the command line, it asks `models` and shows
what comes back.
"""

from importlib.util import find_spec

if find_spec("napari") is None:
    raise ImportError(
        'ladderscope.napari needs napari, which is not installed: pip install "ladderscope[napari]"'
    )
