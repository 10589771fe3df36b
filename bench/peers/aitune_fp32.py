"""aitune's own fp32 file beside the one of the precision that is measured."""

import dataclasses

from . import aitune_runtime


def load(job):
    return aitune_runtime.load(dataclasses.replace(job, precision="fp32"))
