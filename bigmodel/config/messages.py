"""One line for each mistake: the place, what is wrong there, the closest right name."""

import ast
import difflib
from typing import Any

import yaml
from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from bigmodel.config.place import shown
from bigmodel.config.suggest import closest

HELP = "write key=value, with quotes around special characters: 'key=\"a, b\"'"


def bad_override(text: str) -> str:
    """For an override that the grammar does not know."""
    return f"command line ({text}): not an override; {HELP}"


def translate(error: Exception, overrides: list[str], loader: Any) -> str:
    """Hydra's and OmegaConf's own errors in one line."""
    if isinstance(error, MissingConfigException):
        return _missing_config(error, overrides, loader)
    if isinstance(error, OverrideParseException):
        return bad_override(str(error.override))
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{shown(mark.name)}:{mark.line + 1}: not valid YAML: {error.problem}"
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__
    if isinstance(cause, OmegaConfBaseException) and cause.full_key:
        return f"{_origin(str(cause.full_key), overrides)}: {str(cause).splitlines()[0]}"
    return f"config: {str(error).strip().splitlines()[0]}"


def _origin(key: str, overrides: list[str]) -> str:
    for text in overrides:
        if text.lstrip("+~").partition("=")[0] == key:
            return f"command line ({text}): {key}"
    return key


def _missing_config(error: MissingConfigException, overrides: list[str], loader: Any) -> str:
    from hydra.core.object_type import ObjectType

    missing = str(error.missing_cfg_file or "")
    group, _, name = missing.rpartition("/")
    options = error.options or loader.get_group_options(group, ObjectType.CONFIG)
    if isinstance(options, str):  # some Hydra paths give the list as text
        options = ast.literal_eval(options)
    near = difflib.get_close_matches(name, options, n=1)
    hint = f"; did you mean {group}={near[0]}?" if near else closest(name, options)
    given = next((o for o in overrides if o.lstrip("+~").startswith(f"{group}=")), None)
    if given is not None:
        return f"{group}={name}: no such config{hint}"
    return f"{missing}: no such config{hint}"
