"""bigmodel: declarative model services, from a table to an endpoint in one composition.

`fit` trains from the same overrides as `bigmodel train`; `load` opens a bundle for prediction.
Both are imported when they are first used: `import bigmodel` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bigmodel.bundle.load import load as load
    from bigmodel.train import fit as fit

__version__ = "0.1.0"

_LAZY = {"fit": "bigmodel.train", "load": "bigmodel.bundle.load"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'bigmodel' has no attribute {name!r}")
