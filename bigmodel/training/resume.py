"""`trainer.resume=DIR`: the run's own overrides again, in the run's own directory."""

from pathlib import Path

import yaml

from bigmodel.config import foreign
from bigmodel.errors import UserError

KEY = "trainer.resume="


def overrides(given: list[str]) -> list[str]:
    """The overrides of a resumed run: those it was started with, then the ones given now.

    What was trusted then has to be trusted again. Without `trainer.resume`, what was given.
    Raises `UserError` when there is no run at that place.
    """
    place = next((o.partition("=")[2] for o in given if o.lstrip("+").startswith(KEY)), None)
    if place in (None, "", "null"):
        return given
    file = Path(str(place)) / ".hydra" / "overrides.yaml"
    try:
        wrong = foreign.mistake(file)
        if wrong is not None:
            raise UserError(wrong)
        saved = yaml.safe_load(file.read_text(encoding="utf-8"))
        if not isinstance(saved, list):
            raise yaml.YAMLError("not a list of overrides")
    except (OSError, yaml.YAMLError) as error:
        raise UserError(
            f"command line ({KEY}{place}): no run to go on with: {file} cannot be read; "
            "give the directory of a run, such as runs/NAME/TIME"
        ) from error
    again = [o for o in saved if not o.lstrip("+~").startswith(("hydra.", "trust=", KEY))]
    return [*again, *given, f"hydra.run.dir={place}", "hydra.output_subdir=null"]


def set_aside(file: Path) -> None:
    """Rename a file that is about to be started afresh, so that a resumed run loses nothing."""
    if file.exists():
        number = len(list(file.parent.glob(f"{file.stem}.*{file.suffix}"))) + 1
        file.rename(file.with_suffix(f".{number}{file.suffix}"))
