"""A registry: versions of models, and the states that say which of them are to answer."""

from collections.abc import Callable
from pathlib import Path

from bigmodel.bundle import archive, zipped
from bigmodel.bundle import manifest as head
from bigmodel.bundle.archive import Archive
from bigmodel.bundle.load import open_archive
from bigmodel.errors import UserError
from bigmodel.serving import names
from bigmodel.serving.registry.remote import Remote
from bigmodel.serving.registry.state import State
from bigmodel.serving.registry.storage import Directory, Storage, Stored

_SHORTEST = 6  # characters that name a version


class Registry:
    """The versions in `storage`. Methods raise UserError for what is not there."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def __str__(self) -> str:
        return str(self.storage)

    def models(self) -> list[str]:
        """The models, by name."""
        return self.storage.models()

    def state(self, model: str) -> State:
        """What is to answer; an empty state where nothing was promoted yet."""
        raw = self.storage.state(names.checked(model))
        return State() if raw is None else State.from_bytes(raw, f"{self}/{model}/state.json")

    def versions(self, model: str) -> list[Stored]:
        """The versions of a model, the oldest first."""
        return self.storage.versions(names.checked(model))

    def path(self, model: str, version: str) -> Path:
        """The file of a version, here."""
        return self.storage.path(names.checked(model), version)

    def resolve(self, model: str, version: str) -> str:
        """The version that these first characters of it name."""
        there = [one.version for one in self.versions(model)]
        found = [one for one in there if len(version) >= _SHORTEST and one.startswith(version)]
        if len(found) != 1:
            shown = ", ".join(one[:12] for one in there[-10:]) or "none"
            raise UserError(f"version={version[:64]}: the versions of {model} are {shown}")
        return found[0]

    def add(self, bundle: Path | str, name: str | None = None) -> tuple[str, str]:
        """Keep a bundle, opened and asked before; returns the model's name and the version.

        What is there already is left as it is. Raises as `bigmodel.load` does.
        """
        content = archive.read(bundle)
        open_archive(content)
        return self.keep(content, name)

    def keep(self, content: Archive, name: str | None = None) -> tuple[str, str]:
        """Keep the files of a bundle that was opened; returns the model's name and the version."""
        manifest = content.manifest
        model = names.checked(manifest.name if name is None else name)
        packed = zipped.pack({head.NAME: manifest.to_bytes(), **content.files})
        with self.storage.writing(model):
            if not self._intact(model, manifest.version):
                self.storage.put(model, manifest.version, packed)
        return model, manifest.version

    def _intact(self, model: str, version: str) -> bool:
        """Whether a version is there, and every hash of it right."""
        if version not in {one.version for one in self.versions(model)}:
            return False
        try:
            return archive.read(self.path(model, version)).manifest.version == version
        except UserError:
            return False

    def edit(self, model: str, change: Callable[[State], State]) -> State:
        """Replace the state by what `change` makes of it; other writers wait until then."""
        with self.storage.writing(names.checked(model)):
            before = self.state(model)
            after = change(before)
            if after != before:
                self.storage.set_state(model, after.to_bytes())
            return after

    def gc(self, model: str, keep: int) -> list[str]:
        """Remove versions, but none that has a label or was stable, nor the `keep` newest.

        Also removes what killed writers left. Returns the versions that went.
        """
        with self.storage.writing(names.checked(model)):
            self.storage.sweep(model)
            state, there = self.state(model), [one.version for one in self.versions(model)]
            needed = {*state.labels.values(), *state.previous, *there[len(there) - keep :]}
            gone = [version for version in there if version not in needed]
            for version in gone:
                self.storage.remove(model, version)
        return gone


def open_registry(place: str) -> Registry:
    """The registry in a directory, or at a URL that fsspec knows; nothing is read yet.

    Copies of what stands at a URL are kept beside the cache of encoded tables, with its limit.
    """
    if "://" not in place or place.startswith("file://"):
        return Registry(Directory(Path(place.removeprefix("file://"))))
    from bigmodel.data import cache

    return Registry(Remote(place, cache.folder() / "registry", cache.limit()))
