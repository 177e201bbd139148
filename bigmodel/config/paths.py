"""Where config files are: the shipped groups, and the user's own, which stand ahead of them."""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
# holds the namespace `hydra_plugins`, outside of which Hydra takes no sweeper
PLUGINS = _PACKAGE / "plugins"
# in a wheel the groups lie inside the package; in a checkout, beside it
CONF = _PACKAGE / "conf" if (_PACKAGE / "conf").is_dir() else _PACKAGE.parent / "conf"


def own_directory() -> Path:
    """Where the user's own presets belong: `$BIGMODEL_CONF`, or `./conf`."""
    return Path(os.environ.get("BIGMODEL_CONF", "conf")).resolve()


def user_conf() -> Path | None:
    """The user's own directory, when there is one."""
    path = own_directory()
    return path if path.is_dir() and path != CONF else None


def directories() -> list[Path]:
    """All directories of presets, the first one found wins."""
    own = user_conf()
    return [CONF] if own is None else [own, CONF]
