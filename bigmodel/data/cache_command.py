"""`bigmodel cache [clear]`: what the cache of encoded tables holds, and how to empty it."""

import time

from bigmodel.config.suggest import closest
from bigmodel.data import cache
from bigmodel.errors import UserError


def main(argv: list[str]) -> int:
    """Show the cache, or with `clear` empty it; returns 0. Raises UserError on other words."""
    if argv not in ([], ["clear"]):
        word = next((w for w in argv if w != "clear"), "clear clear")
        raise UserError(f"command line: cache {word}: no such word{closest(word, ['clear'])}")
    if argv:
        print(f"{_size(cache.clear())} freed in {cache.folder()}")
        return 0
    held = cache.entries()
    print(f"{cache.folder()}: {len(held)} tables, {_size(sum(entry.bytes for entry in held))}")
    for entry in reversed(held):
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used))
        print(f"  {entry.path.name[:16]}  {_size(entry.bytes):>9}  last used {used}")
    print(
        f"at most {_size(cache.limit())}: the least recently used go first "
        "(BIGMODEL_CACHE_GB=N; BIGMODEL_CACHE=DIR keeps them elsewhere)"
    )
    return 0


def _size(count: int) -> str:
    """Bytes as people read them."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
