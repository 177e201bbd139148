"""Small folders of images, and whatever is wrong with an image."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pictures import SMALL, encoded, noisy, with_size, write_folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of this test's own, which nothing writes to any more when the test ends."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("BIGMODEL_CACHE", str(folder))
    yield folder
    for thread in threading.enumerate():
        if thread.name == "cache":
            thread.join()


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """12 images of each of three classes."""
    return write_folder(tmp_path / "colours")


@pytest.fixture(scope="session")
def images_run(tmp_path_factory: pytest.TempPathFactory):
    """A short fit on the colours: its result, and their folder."""
    import bigmodel

    root = tmp_path_factory.mktemp("images")
    folder = write_folder(root / "colours", each=16)
    (folder / "red" / "broken.png").write_bytes(b"no image at all")
    result = bigmodel.fit(
        [
            *SMALL,
            f"data.path={folder}",
            f"hydra.run.dir={root / 'run'}",
            "model.network.test_time=[hflip]",
        ]
    )
    return result, folder


@pytest.fixture
def broken_images() -> dict[str, bytes]:
    """What cannot be decoded, by its name."""
    good = encoded(noisy((90, 90, 90), 0), "JPEG")
    return {
        "empty": b"",
        "text": b"not an image",
        "truncated": good[: len(good) // 2],
        "zero": with_size(0, 5),
        "bomb": with_size(60_000, 60_000),
    }


@pytest.fixture
def refusal() -> Callable[..., str]:
    """The one line with which images are refused for training."""
    from bigmodel.data.image.images import ImageData
    from bigmodel.errors import UserError

    def line(path: Path, **settings: object) -> str:
        with pytest.raises(UserError) as caught:
            ImageData(str(path), **settings).setup()
        (only,) = caught.value.lines
        assert "\n" not in only
        return only

    return line
