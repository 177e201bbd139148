"""Versions on disk and in a bucket: whole or not there, whoever writes and dies."""

import contextlib
import io
import subprocess
import sys
import time

import pytest
import versions
from hypothesis import given, settings
from hypothesis import strategies as st
from running import BIGMODEL

from bigmodel.errors import BigmodelError, UserError
from bigmodel.serving.registry import command
from bigmodel.serving.registry.catalog import Registry, open_registry
from bigmodel.serving.registry.remote import Remote
from bigmodel.serving.registry.state import State


def ask(*words: str) -> str:
    """What `bigmodel registry` prints."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        assert command.main(list(words)) == 0
    return shown.getvalue()


@pytest.fixture(scope="module")
def bundles(wine_bundle, tmp_path_factory):
    """Three versions of one model."""
    folder = tmp_path_factory.mktemp("versions")
    return {str(n): versions.same(wine_bundle, folder / str(n), n) for n in range(3)}


@pytest.fixture(params=["directory", "file", "memory"])
def place(request, tmp_path, monkeypatch) -> str:
    """A place that a registry can be in."""
    monkeypatch.setenv("BIGMODEL_CACHE", str(tmp_path / "cache"))
    if request.param == "memory":
        return f"memory://{tmp_path.name}/models"
    return f"{'file://' if request.param == 'file' else ''}{tmp_path}/models"


def test_from_a_bundle_to_who_answers(place, bundles):
    there = [f"registry={place}", "name=shop"]
    for bundle in bundles.values():
        ask("add", f"bundle={bundle}", *there)
    registry = open_registry(place)
    first, second, third = (one.version for one in registry.versions("shop"))
    assert ask("promote", f"version={first[:8]}", *there) == f"shop: {first[:12]} is stable\n"
    ask("traffic", f"canary={second[:12]}", "percent=10", f"shadow={third[:12]}", *there)
    state = registry.state("shop")
    assert (state.stable, state.canary, state.percent, state.shadow) == (first, second, 10.0, third)
    shown = ask("list", *there)
    assert "canary 10 %" in shown
    assert "shadow" in shown
    ask("traffic", "percent=50", *there)
    assert registry.state("shop").percent == 50
    ask("promote", *there)  # the canary
    state = registry.state("shop")
    assert (state.stable, state.canary, state.previous) == (second, None, (first,))
    ask("rollback", *there)
    assert registry.state("shop").stable == first
    with pytest.raises(UserError, match="no stable version before"):
        ask("rollback", *there)


@pytest.mark.parametrize("digits", ["933e3962", "10345678", "00000001"])
def test_a_version_whose_digits_look_like_a_number_is_a_version(tmp_path, bundles, digits):
    place = [f"registry={tmp_path}", "name=shop"]
    ask("add", f"bundle={bundles['0']}", *place)
    for word, name in (("promote", "version"), ("traffic", "canary"), ("traffic", "shadow")):
        with pytest.raises(UserError, match=digits) as told:
            ask(word, f"{name}={digits}", *place)
        assert "valid string" not in str(told.value)


def test_gc_keeps_what_has_a_use(place, bundles):
    registry = open_registry(place)
    made = [registry.add(bundle, "shop")[1] for bundle in bundles.values()]
    registry.edit("shop", lambda s: s.promoted(made[0], "one").promoted(made[1], "two"))
    assert ask("gc", "keep=0", f"registry={place}") == "shop: 1 versions removed\n"
    assert {one.version for one in registry.versions("shop")} == set(made[:2])


def test_the_same_bundle_is_one_version_and_a_damaged_copy_is_mended(tmp_path, bundles):
    registry = open_registry(str(tmp_path))
    name, version = registry.add(bundles["0"])
    path = registry.path(name, version)
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    assert registry.add(bundles["0"]) == (name, version)
    assert path.read_bytes() == whole
    assert len(registry.versions(name)) == 1


@pytest.mark.parametrize("label", ["version", "golden"])
def test_what_does_not_open_is_not_kept(tmp_path, wine_bundle, label):
    broken = versions.with_wrong_golden(wine_bundle, tmp_path / "broken")
    if label == "version":
        raw = bytearray((broken / "model.onnx").read_bytes())
        raw[len(raw) // 2] ^= 1
        (broken / "model.onnx").write_bytes(bytes(raw))
    registry = open_registry(str(tmp_path / "models"))
    with pytest.raises(BigmodelError, match=r"golden|damaged"):
        registry.add(broken, "wine")
    assert registry.models() == []


def test_a_version_of_other_columns_is_refused_unless_forced(tmp_path, wine_bundle):
    def rename(schema):
        schema["target"]["classes"] = ["a", "b", "c"]

    other = versions.with_schema(wine_bundle, tmp_path / "other", rename)
    registry, made = versions.registry_of(tmp_path / "models", {"old": wine_bundle, "new": other})
    there = [f"registry={tmp_path}/models", f"version={made['new'][:12]}"]
    with pytest.raises(UserError, match="has the classes a, b, c, not class_0, class_1, class_2"):
        ask("promote", *there)
    assert registry.state("wine").stable == made["old"]
    ask("promote", "force=true", *there)
    assert registry.state("wine").stable == made["new"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["promote", "version=abc"], "version=abc: the versions of wine are"),
        (["promote"], "has no canary"),
        (["traffic", "percent=10"], "it is a canary's"),
        (["list", "name=../x"], "name=../x: give a name of letters"),
        (["add"], "name the bundle"),
        (["traffic", "percent=101"], "percent"),
        (["remove"], "no such word"),
    ],
)
def test_mistakes_are_one_line(tmp_path, bundles, words, told):
    versions.registry_of(tmp_path, {"0": bundles["0"]})
    with pytest.raises(UserError, match=told) as caught:
        ask(*words, f"registry={tmp_path}")
    assert len(caught.value.lines) == 1


def test_the_command(tmp_path, bundles):
    there = [f"bundle={bundles['0']}", f"registry={tmp_path}"]
    done = subprocess.run([BIGMODEL, "registry", "add", *there], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "promote name=wine version=" in done.stdout


@given(st.binary(max_size=300) | st.sampled_from([b"{}", b"[]", b'{"format": 1}', b"null"]))
@settings(max_examples=60, deadline=None)
def test_a_damaged_state_is_told_and_never_believed(raw):
    with pytest.raises(UserError, match="not a registry's state"):
        State.from_bytes(raw, "here")


EDIT_FOR_EVER = """
import itertools, sys
from bigmodel.serving.registry.catalog import open_registry
registry = open_registry(sys.argv[1])
print("begins", flush=True)
for version in itertools.cycle(sys.argv[2:]):
    registry.edit("wine", lambda state: state.promoted(version, "again"))
"""


def test_a_writer_killed_at_any_moment_leaves_a_whole_state(tmp_path, bundles):
    registry, made = versions.registry_of(tmp_path, bundles)
    for delay in (0.0, 0.003, 0.011, 0.027, 0.05):
        writer = subprocess.Popen(
            [sys.executable, "-c", EDIT_FOR_EVER, str(tmp_path), *made.values()],
            stdout=subprocess.PIPE,
        )
        assert writer.stdout.readline() == b"begins\n"
        time.sleep(delay)
        writer.kill()
        writer.communicate()
        assert registry.state("wine").stable in made.values()
        registry.edit("wine", lambda state: state.promoted(made["0"], "the lock is free"))
    assert any(event.reason == "again" for event in registry.state("wine").history)
    registry.gc("wine", keep=3)
    assert not list(tmp_path.rglob(".tmp-*"))


def test_copies_of_a_bucket_stay_within_their_room(tmp_path, bundles):
    sizes = []
    for most in (10**9, 1):
        registry = Registry(Remote(f"memory://{tmp_path.name}", tmp_path / str(most), most))
        made = [registry.add(bundle, "wine")[1] for bundle in bundles.values()]
        paths = [registry.path("wine", version) for version in made]
        sizes.append([path.exists() for path in paths])
    assert sizes == [[True] * 3, [False, False, True]]
