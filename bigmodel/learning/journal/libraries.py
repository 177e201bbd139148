"""What the bits of a version depend on: the libraries, and how many threads they use."""

import importlib.metadata
import importlib.util
import json
import platform

import numpy
import scipy
from threadpoolctl import threadpool_info

from bigmodel import __version__


def libraries() -> str:
    """As JSON: versions of what computes, the processor, the threads."""
    found = {
        "bigmodel": __version__,
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "machine": platform.machine(),
    }
    if importlib.util.find_spec("numba"):
        found["numba"] = importlib.metadata.version("numba")
    for pool in threadpool_info():
        if pool["user_api"] == "blas":
            name = pool["prefix"]
            found[name] = f"{pool['version']} {pool.get('architecture', '')}".strip()
            found[f"{name} threads"] = str(pool["num_threads"])
    return json.dumps(found, sort_keys=True)


def differences(before: str) -> list[str]:
    """What is not as it was then, a few words each."""
    old, new = json.loads(before), json.loads(libraries())
    names = sorted(old.keys() | new.keys())
    return [
        f"{name} {old.get(name, 'none')} -> {new.get(name, 'none')}"
        for name in names
        if old.get(name) != new.get(name)
    ]
