"""What a config may name: a config from elsewhere must never run code.

A `_target_` is resolved only if it is one of bigmodel's own public names (those in its module's
`__all__`), or a class of an allowed package that is a subclass of an allowed base. The package is
judged on the string, before anything is imported; the class by what it is, not by where it was
found, so that `torch.hub.os.system` fails like `os.system`.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import Any

from bigmodel.config.suggest import closest

PACKAGES = ("bigmodel", "pytorch_lightning", "torch", "torchmetrics")
# subclasses of allowed bases live here too, but act on other processes, or run source code
CLOSED = ("torch.distributed", "torch.fx", "torch.hub", "torch.jit", "torch.package")
KEYS = ("_target_", "_args_", "_partial_", "_recursive_", "_convert_")
MAX_DEPTH, MAX_NODES = 32, 20_000

_trusted: ContextVar[tuple[str, ...]] = ContextVar("trusted", default=())


class Untrusted(Exception):  # noqa: N818  a verdict, not a failure
    """Why a target is refused, as the end of a line."""


@contextmanager
def trusting(prefixes: Sequence[str]) -> Iterator[None]:
    """Trust these packages as well: what the user named on the command line."""
    token = _trusted.set(tuple(prefixes))
    try:
        yield
    finally:
        _trusted.reset(token)


def trusted() -> tuple[str, ...]:
    """The packages that the user trusts in this run."""
    return _trusted.get()


def resolve(target: object) -> Callable[..., Any]:
    """The class or function that `target` names. Raises `Untrusted` unless it may be used."""
    if not isinstance(target, str):
        raise Untrusted(f"must be text, not {target!r}")
    module, _, name = target.rpartition(".")
    by_user = any(target == p or target.startswith(f"{p}.") for p in trusted())
    if not by_user:
        _check_name(target, module)
    found = _import(target, module, name)
    if by_user or _is_ours(module, name) or _is_allowed_class(found):
        if not callable(found):
            raise Untrusted(f"{target} is not a class or function")
        return found
    raise Untrusted(_refusal(target))


def _refusal(target: str) -> str:
    return f"{target} may not be named in a config; if you trust it, add trust=[{target}]"


def _check_name(target: str, module: str) -> None:
    parts = target.split(".")
    closed = any(target.startswith(f"{prefix}.") for prefix in CLOSED)
    private = any(part.startswith("_") for part in parts)
    if not module or parts[0] not in PACKAGES or closed or private:
        raise Untrusted(_refusal(target))


def _import(target: str, module: str, name: str) -> object:
    try:
        names = vars(import_module(module))
    except Exception as error:
        raise Untrusted(f"{target} cannot be imported: {error}") from error
    if name not in names:
        public = [n for n in names if not n.startswith("_")]
        raise Untrusted(f"{module} has no {name}{closest(name, public)}")
    return names[name]


def _is_ours(module: str, name: str) -> bool:
    if module.split(".")[0] != "bigmodel":
        return False
    return name in getattr(import_module(module), "__all__", ())


def _is_allowed_class(found: object) -> bool:
    return (
        inspect.isclass(found)
        and found.__module__.split(".")[0] in PACKAGES[1:]
        and not found.__module__.startswith(CLOSED)
        and issubclass(found, _bases())
    )


def _bases() -> tuple[type, ...]:
    from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer
    from pytorch_lightning.loggers import Logger
    from pytorch_lightning.profilers import Profiler
    from pytorch_lightning.strategies import Strategy
    from torch.nn import Module
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler
    from torchmetrics import Metric

    lightning = (
        Callback,
        LightningDataModule,
        LightningModule,
        Logger,
        Profiler,
        Strategy,
        Trainer,
    )
    return (*lightning, LRScheduler, Metric, Module, Optimizer)
