"""Each mistake in a search is one clear line before any trial starts; exit code 2."""

from itertools import zip_longest

import pytest
from hydra.core.hydra_config import HydraConfig
from studies import search

from bigmodel import cli
from bigmodel.config import compose as composing
from bigmodel.config.instantiate import instantiate
from bigmodel.config.paths import CONF
from bigmodel.config.provenance import Origins
from bigmodel.errors import UserError
from bigmodel.search import probes
from bigmodel.search.spaces import Given, space_of

LR = "command line (search.space.optimizer.lr="
LINES = {
    "a mistyped key": (
        ["search.space.optimizer.lrr={log:[1e-4,1e-1]}"],
        "optimizer.lrr: AdamW has no such setting; did you mean lr?",
    ),
    "a mistyped kind": (
        ["search.space.optimizer.lr={lgo:[1e-4,1e-1]}"],
        "search.space.optimizer.lr: a range has no lgo; did you mean log?",
    ),
    "a setting of compression": (
        ["search.space.compression=[int8,int4]"],
        "compression: trials are not compressed, only the final model is",
    ),
    "a range turned round": (
        ["search.space.optimizer.lr={log:[1e-1,1e-4]}"],
        f"{LR}{{log:[1e-1,1e-4]}}): search.space.optimizer.lr: log: [0.1, 0.0001] is turned round "
        "or empty; write the lower first",
    ),
    "an interval turned round": (
        ["optimizer.lr=interval(1e-1,1e-3)"],
        "uniform: [0.1, 0.001] is turned round or empty; write the lower first",
    ),
    "an end that the code refuses": (
        ["search.space.model.network.dropout={uniform:[0,1.5]}"],
        "model.network.dropout: input should be less than 1, not 1.5",
    ),
    "a choice that the code refuses": (
        ["search.space.model.network.norm=[layer,btach]"],
        "model.network.norm: input should be 'batch', 'layer' or 'none', not 'btach'",
    ),
    "an option that a group does not have": (
        ["search.space.weighting=[none,invers]"],
        "search.space.weighting: no such config; did you mean weighting=inverse?",
    ),
    "an option of a sweep": (
        ["weighting=none,invers"],
        "command line (weighting=none,invers): search.space.weighting: no such config; "
        "did you mean weighting=inverse?",
    ),
    "no choices": (["search.space.optimizer.lr=[]"], "has no choices; name at least one value"),
    "one value": (["search.space.optimizer.lr=3"], "write a list of choices, {log: [low, high]}"),
    "an empty space": ([], "search.space: there is nothing to search; write"),
    "a condition on nothing": (
        ["search.space.seed={int:[1,3],when:{optimiser:sgd}}"],
        "when asks for optimiser, which is neither searched nor a setting",
    ),
    "a metric that is not there": (
        ["search.objectives=[val/macro_f2]", "seed=1,2"],
        "search.objectives: val/macro_f2: no such metric; did you mean val/macro_f1?",
    ),
    "a metric of the test split": (
        ["search.objectives=[test/macro_f1]", "seed=1,2"],
        "the test split chooses nothing; name val/macro_f1",
    ),
    "a monitor that is not there": (
        ["monitor=val/macro_f2", "seed=1,2"],
        "command line (monitor=val/macro_f2): monitor: val/macro_f2: no such metric; "
        "did you mean val/macro_f1?",
    ),
    "no trials": (["search.n_trials=0"], "search.n_trials: input should be greater than 0, not 0"),
    "a mistyped setting": (
        ["search.worker=2"],
        "Search has no such setting; did you mean workers?",
    ),
    "a study that is no name": (["search.study=a/b"], "search.study: string should match"),
    "a word that is none": (["search.on_error=stopp"], "search.on_error: input should be"),
    "a storage that is none": (
        ["search.storage=nosuch://x", "search.study=x", "seed=1,2"],
        "search.storage: nosuch://x cannot be opened",
    ),
}


@pytest.mark.parametrize("name", LINES)
def test_a_mistake_has_its_line_before_any_trial(here, name):
    given, expected = LINES[name]
    code, said, errors = search("data=wine", "search=asha", "search.presets=false", *given)
    assert code == 2
    (line,) = errors.splitlines()
    assert expected in line
    assert not list(here.glob("sweeps/*/0"))
    assert "Traceback" not in said + errors


def test_a_mistake_in_a_file_of_the_users_names_it(here):
    space = here / "conf" / "space" / "model" / "linear.yaml"
    space.parent.mkdir(parents=True)
    space.write_text("# @package _global_\nmodel: { label_smoothing: { log: [0.2, 0.1] } }\n")
    code, _, errors = search("data=wine", "search=random", "model=linear")
    assert code == 2
    assert errors.splitlines()[-1].startswith(
        "conf/space/model/linear.yaml: search.space.model.label_smoothing: log: [0.2, 0.1] is"
    )


def test_check_looks_at_a_search_and_starts_nothing(here, capsys):
    assert cli.guarded(lambda: cli.dispatch(["check", "-m", "data=wine", "search=asha"])) == 0
    bad = ["check", "-m", "data=wine", "search=tpe", "search.presets=false"]
    assert cli.guarded(lambda: cli.dispatch(bad)) == 2
    assert not (here / "sweeps").exists()


@pytest.mark.slow
def test_every_preset_of_a_space_fits_its_option(here):
    """Whatever a composition chooses, `search=asha` alone has a space without a mistake."""
    options = [
        [f"{group}={path.stem}" for path in sorted((CONF / "space" / group).glob("*.yaml"))]
        for group in ("model", "weighting", "optimizer")
    ]
    for chosen in zip_longest(*options):
        given = [option for option in chosen if option is not None]
        needs = ["weighting.column=worth"] if any("_column" in option for option in given) else []
        needs += ["model.network.source=folder"] if "model=hf" in given else []
        needs += ["model.network.path=folder"] if "model=hf_image" in given else []
        assert _probe("data.batch_size=64", *given, *needs) == [], given


def _probe(*given: str) -> list[str]:
    overrides = ["data=wine", "search=asha", *given]
    with composing.hydra() as made:
        cfg = composing.compose_in(made, "train", overrides)
        HydraConfig.instance().set_config(cfg)
        fixed = composing.parse(["data=wine", *given])
        origins = Origins(made, "train", overrides)
        try:
            space = space_of(instantiate(cfg.search), Given(made, cfg, fixed, [], origins))
            probes.check(made, "train", [str(o.input_line) for o in fixed], space)
        except UserError as error:
            return list(error.lines)
    return []
