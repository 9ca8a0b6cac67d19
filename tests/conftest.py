"""Types and shapes are checked while tests run; models that many tests ask are fitted once."""

import os

import jaxtyping
import matplotlib
import torch
from hypothesis import settings

# A time limit would make a busy machine fail a test.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
matplotlib.use("Agg")
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))

CHECKED = ["losses", "noise", "network", "patches", "training", "prediction"]
jaxtyping.install_import_hook([f"ladderscope.{room}" for room in CHECKED], "beartype.beartype")


def pytest_runtest_setup(item):
    """Leave the checks out where a test compiles: dynamo cannot trace beartype's wrappers."""
    jaxtyping.config.update("jaxtyping_disable", "compil" in item.name)
