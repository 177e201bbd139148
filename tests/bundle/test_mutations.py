"""A thousand damaged bundles, as directories and as zips: none may load, none may run anything."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bigmodel.bundle.load import load
from bigmodel.bundle.write import write_zip
from bigmodel.errors import UserError

MUTANTS = 1000


def files_of(bundle: Path) -> list[Path]:
    return sorted(bundle.iterdir())


def flip(bundle: Path, rng: random.Random, payload: bytes) -> None:
    """Change one to four bytes of a file."""
    path = rng.choice(files_of(bundle))
    raw = bytearray(path.read_bytes())
    for at in rng.sample(range(len(raw)), rng.randint(1, 4)):
        raw[at] ^= rng.randint(1, 255)
    path.write_bytes(raw)


def cut(bundle: Path, rng: random.Random, payload: bytes) -> None:
    path = rng.choice(files_of(bundle))
    path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])


def grow(bundle: Path, rng: random.Random, payload: bytes) -> None:
    path = rng.choice(files_of(bundle))
    path.write_bytes(path.read_bytes() + rng.randbytes(rng.randint(1, 100)))


def add(bundle: Path, rng: random.Random, payload: bytes) -> None:
    name = rng.choice(["model.pkl", "setup.py", "data.pt", "__init__.py", "x.so", "CARD.MD"])
    (bundle / name).write_bytes(payload)


def remove(bundle: Path, rng: random.Random, payload: bytes) -> None:
    rng.choice(files_of(bundle)).unlink()


def swap(bundle: Path, rng: random.Random, payload: bytes) -> None:
    """Exchange two files."""
    one, other = rng.sample(files_of(bundle), 2)
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def replace(bundle: Path, rng: random.Random, payload: bytes) -> None:
    """Put a pickle in the place of a file."""
    rng.choice(files_of(bundle)).write_bytes(payload)


MUTATIONS: list[Callable[[Path, random.Random, bytes], None]] = [
    flip, flip, cut, grow, add, remove, swap, replace,
]  # fmt: skip


def test_no_mutant_of_the_directory_loads(bundle, tmp_path, marker, payload):
    for seed in range(MUTANTS):
        rng = random.Random(seed)
        mutant = shutil.copytree(bundle, tmp_path / "mutant")
        MUTATIONS[seed % len(MUTATIONS)](mutant, rng, payload)
        with pytest.raises(UserError) as caught:
            load(mutant)
        assert all(line.startswith(f"{mutant}: ") for line in caught.value.lines), seed
        shutil.rmtree(mutant)
    assert not marker.exists()


def test_no_mutant_of_the_zip_loads(bundle, tmp_path):
    raw = write_zip(bundle, tmp_path / "wine.zip").read_bytes()
    mutant = tmp_path / "mutant.zip"
    for seed in range(MUTANTS):
        rng = random.Random(seed)
        damaged = bytearray(raw)
        for at in rng.sample(range(len(raw)), rng.randint(1, 4)):
            damaged[at] ^= rng.randint(1, 255)
        mutant.write_bytes(damaged[: rng.randint(len(raw) // 2, 2 * len(raw))])
        with pytest.raises(UserError):
            load(mutant)


def test_the_unchanged_bundle_loads(bundle):
    assert load(bundle).manifest.name == "wine"
