"""`bigmodel inspect BUNDLE`: what is in it, shown without running it."""

import json
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bigmodel.bundle import archive
from bigmodel.bundle.archive import Archive
from bigmodel.bundle.card import headline
from bigmodel.data.schema import Schema
from bigmodel.errors import UserError


def main(argv: list[str]) -> int:
    """Verify the bundle named in `argv` and print its head, metrics and files; returns 0.

    Raises UserError when the arguments or the bundle are wrong.
    """
    if len(argv) != 1:
        raise UserError("inspect: exactly one bundle is needed: bigmodel inspect DIR_OR_ZIP")
    console = Console()
    content = archive.read(Path(argv[0]))
    console.print(_head(content), _metrics(content), _files(content))
    return 0


def _head(content: Archive) -> Table:
    manifest = content.manifest
    schema = content.part("schema.json", lambda raw: Schema.from_json(json.loads(raw)))
    table = Table(title=_plain(f"{manifest.name} ({content.path})"), show_header=False)
    table.add_row("what", _plain(headline(schema)))
    table.add_row("version", manifest.version[:16])
    table.add_row("task", _plain(manifest.task))
    table.add_row("created", _plain(manifest.created))
    table.add_row("engine", _plain(manifest.engine))
    table.add_row("parent", _plain(manifest.parent or "none"))
    made_with = ", ".join(f"{library} {version}" for library, version in manifest.libraries.items())
    table.add_row("made with", _plain(made_with))
    table.add_row("hashes", f"all {len(content.files)} files verified")
    table.add_row("signature", "not signed")
    return table


def _metrics(content: Archive) -> Table:
    table = Table("metric", "value", title="metrics")
    for name, value in content.part("metrics.json", _figures).items():
        table.add_row(_plain(name), value)
    return table


def _files(content: Archive) -> Table:
    table = Table("file", "bytes", "sha256", title="files")
    table.columns[1].justify = "right"
    for name, entry in sorted(content.manifest.files.items()):
        table.add_row(name, f"{entry.size:,}", entry.sha256[:16])
    total = sum(entry.size for entry in content.manifest.files.values())
    table.add_row("together", f"{total:,}", "")
    return table


def _figures(raw: bytes) -> dict[str, str]:
    """The metrics as text; a figure that could not be computed is a dash."""
    return {k: "-" if v is None else f"{v:.6g}" for k, v in json.loads(raw).items()}


def _plain(text: str) -> str:
    """A text from a file of others: no markup, nothing that steers a terminal."""
    return escape("".join(c if c.isprintable() else "?" for c in text))
