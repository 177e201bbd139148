"""A search from its first check to its final model; what Hydra's sweeper calls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict

from bigmodel.config import compose as composing
from bigmodel.config.app import Job
from bigmodel.config.instantiate import instantiate
from bigmodel.config.provenance import Origins
from bigmodel.config.trust import trusted
from bigmodel.errors import UserError

if TYPE_CHECKING:
    from bigmodel.search.plan import SearchPlan
    from bigmodel.search.space import Space


def sweep(made: Any, job: Job[Any], cfg: DictConfig, arguments: list[str]) -> list[Any]:
    """Check, search, and leave the results; without a task in `job`, only check.

    `cfg` is composed of all overrides that vary nothing. Raises `UserError` before any trial
    starts, `BigmodelError` when no trial succeeded.
    """
    try:
        import optuna
    except ImportError as error:
        raise UserError('search: needs Optuna: pip install "bigmodel[search]"') from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    from bigmodel.search import finish, signature, workers

    HydraConfig.instance().set_config(cfg)
    plan = checked(made, job, cfg, [text.removeprefix("++") for text in arguments])
    if job.task is None:
        return []
    signature.check(plan, cfg)
    workers.until_complete(plan, made)
    with FileLock(plan.place / ".finish.lock"):  # of several that end together, one after another
        finish.finish(plan, made)
    return []


def checked(made: Any, job: Job[Any], cfg: DictConfig, arguments: list[str]) -> SearchPlan:
    """Everything about a search, free of mistakes. Raises `UserError`."""
    from bigmodel.search import probes, signature
    from bigmodel.search.objectives import objectives
    from bigmodel.search.plan import SearchPlan
    from bigmodel.search.space import start
    from bigmodel.search.spaces import Given, at, key_of, space_of

    parsed = composing.parse(arguments)
    fixed = [o for o in parsed if not o.is_sweep_override()]
    texts = [str(o.input_line) for o in fixed if key_of(o).partition(".")[0] != "search"]
    origins = Origins(made, job.entry, [str(o.input_line) for o in fixed])
    sweeps = [o for o in parsed if o.is_sweep_override()]
    search = instantiate(cfg.search)
    space = space_of(search, Given(made, cfg, composing.parse(texts), sweeps, origins))
    _uncompressed(space)
    probes.check(made, job.entry, texts, space)
    places = {"monitor": origins["monitor"], "objectives": origins["search.objectives"]}
    monitor, names = objectives(search, cfg, places)
    if search.study is None:
        with open_dict(cfg):
            cfg.search.study = signature.name(cfg, space, search)
    return SearchPlan(
        entry=job.entry,
        task=job.task,
        directory=_directory(made),
        trust=trusted(),
        fixed=texts,
        search=search,
        space=space,
        start=start(space, {p.key: at(cfg, p.key) for p in space.parameters}),
        place=Path(str(cfg.hydra.sweep.dir)),
        seed=cfg.seed,
        epochs=cfg.trainer.get("max_epochs") or 1,
        monitor=monitor,
        objectives=names,
    )


def _uncompressed(space: Space) -> None:
    """Refuse to search what trials do not do."""
    for parameter in space.parameters:
        if parameter.key.partition(".")[0] == "compression":
            raise UserError(
                f"{space.places[parameter.key]}: {parameter.key}: trials are not compressed, only "
                "the final model is; compare such settings by a plain sweep, without search="
            )


def _directory(made: Any) -> Path | None:
    """The directory of `--config-dir`."""
    for entry in made.config_loader.get_search_path().get_path():
        if entry.provider == composing.COMMAND_LINE:
            return Path(str(entry.path).removeprefix("file://"))
    return None
