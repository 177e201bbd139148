"""The presets that exist: list them with a line each, copy one to change it."""

from pathlib import Path

from bigmodel import files
from bigmodel.config.place import shown
from bigmodel.config.suggest import closest
from bigmodel.errors import UserError


def groups(directories: list[Path]) -> dict[str, dict[str, str]]:
    """Group -> option -> its one-line description; the user's own files shadow the shipped ones."""
    found: dict[str, dict[str, str]] = {}
    for directory in reversed(directories):
        for path in sorted(directory.glob("*/*.yaml")):
            if not path.stem.startswith("_") and path.parent.name != "hydra":
                found.setdefault(path.parent.name, {})[path.stem] = description(path)
    return {name: found[name] for name in sorted(found)}


def description(path: Path) -> str:
    """The first comment of a YAML file that is not for Hydra."""
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if text and not text.startswith("#"):
            return ""
        text = text.removeprefix("#").strip()
        if text and not text.startswith("@package"):
            return text
    return ""


def listing(directories: list[Path], group: str | None = None) -> list[str]:
    """What `bigmodel list [GROUP]` prints. Raises `UserError` when there is no such group."""
    found = groups(directories)
    if group is not None and group not in found:
        raise UserError(f"{group}: no such group{closest(group, found)}")
    shown_groups = [group] if group is not None else list(found)
    width = max((len(option) for name in shown_groups for option in found[name]), default=0)
    lines = []
    for name in shown_groups:
        lines.append(f"{name}:")
        lines += [f"  {option:{width}}  {text}" for option, text in found[name].items()]
    return lines


def copy(directories: list[Path], name: str, target: Path) -> Path:
    """Copy the preset `GROUP/OPTION` into `target`; returns the new file.

    Raises `UserError` when there is no such preset, or a file is there already.
    """
    group, _, option = name.partition("/")
    found = groups(directories)
    if group not in found:
        raise UserError(f"{name}: no such group{closest(group, found)}; write GROUP/NAME")
    if option not in found[group]:
        near = closest(option, found[group])
        raise UserError(f"{name}: {group} has no such preset{near}")
    source = next(p for d in directories if (p := d / group / f"{option}.yaml").is_file())
    destination = target / group / f"{option}.yaml"
    if destination.exists():
        raise UserError(f"{shown(destination)}: is there already; remove it first to start afresh")
    files.write_text(destination, source.read_text(encoding="utf-8"))
    return destination
