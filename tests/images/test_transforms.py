"""Transforms of albumentations by their names: the list, choices, mistakes."""

import pytest
import torch
from batches import N, changed, photos

from bigmodel import cli
from bigmodel.data.augment.albumentations import Albumentations
from bigmodel.data.augment.transforms import ALIASES, pipeline
from bigmodel.errors import UserError

# every transform that the issue asks for by name
LISTED = (
    "HorizontalFlip", "VerticalFlip", "Flip", "Transpose", "RandomRotate90", "Rotate",
    "ShiftScaleRotate", "Perspective", "OpticalDistortion", "GridDistortion", "PiecewiseAffine",
    "MotionBlur", "MedianBlur", "Blur", "GaussNoise", "AdditiveNoise", "CLAHE",
    "HueSaturationValue", "Sharpen", "Emboss",
)  # fmt: skip


@pytest.mark.parametrize("name", dict.fromkeys((*LISTED, *ALIASES)))
def test_every_transform_of_the_list_changes_images(name):
    settings = {"p": 1.0} | ({"of": {"Rotate": {"p": 1.0}}} if name == "Compose" else {})
    batch = photos(n=4)
    step = Albumentations({name: settings})
    step.bind(batch, torch.arange(4))
    assert any(
        not torch.equal(changed(step, batch, epoch=e), batch.inputs["image"]) for e in range(4)
    )


def test_flip_is_one_of_both_directions_and_both():
    batch = photos(n=60)
    image, found = batch.inputs["image"], changed(Albumentations({"Flip": {"p": 1.0}}), batch)
    wanted = [image.flip(3), image.flip(2), image.flip(2, 3)]
    hits = torch.stack([(found == one).all(dim=(1, 2, 3)) for one in wanted])
    assert (hits.sum(0) == 1).all()
    assert (hits.sum(1) > 8).all()


def test_choices_nest():
    made = pipeline(
        {
            "outer": {
                "name": "OneOf",
                "p": 0.5,
                "of": {
                    "Blur": None,
                    "both": {"name": "Sequential", "p": 1, "of": {"Sharpen": {}, "Emboss": {}}},
                },
            },
            "SomeOf": {"n": 2, "of": {"CLAHE": {}, "Rotate": {}, "MedianBlur": {}}},
        }
    )
    assert [type(one).__name__ for one in made.transforms] == ["OneOf", "SomeOf"]
    assert [type(one).__name__ for one in made.transforms[0].transforms] == ["Blur", "Sequential"]


@pytest.mark.parametrize(
    ("transforms", "line"),
    [
        (
            {"MotionBlurr": {}},
            "MotionBlurr: there is no transform MotionBlurr; did you mean MotionBlur?",
        ),
        ({"Blur": {"limit": 3}}, "Blur: Blur has no such setting; did you mean blur_limit?"),
        (
            {"a": {"name": "OneOf", "of": {"Blu": {}}}},
            "a.Blu: there is no transform Blu; did you mean Blur?",
        ),
        ({"OneOf": {"p": 1}}, "OneOf: OneOf needs transforms to choose from, under `of`"),
        ({"Blur": {"of": {"Rotate": {}}}}, "Blur: Blur has no `of`; did you mean OneOf?"),
        ({"Lambda": {}}, "Lambda: there is no transform Lambda"),
        (
            {"GaussNoise": {"std_range": [5, 6]}},
            "GaussNoise: GaussNoise: std_range: Value error, All values",
        ),
    ],
)
def test_a_mistake_is_one_line(transforms, line):
    with pytest.raises(ValueError, match=r"^[^\n]*$") as caught:
        pipeline(transforms)
    assert str(caught.value).startswith(line)


def test_check_finds_mistakes_in_transforms(here, capsys):
    code = cli.guarded(
        lambda: cli.dispatch(
            ["check", "data=images", "data.path=x", "augment=image_strong",
             "augment.steps.classic.transforms.blur.of.MotionBlur.blur_limt=5"]
        )
    )  # fmt: skip
    assert code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(
        "augment: blur.MotionBlur: MotionBlur has no such setting; did you mean blur_limit?"
    )


def test_a_transform_that_changes_the_size_is_refused_before_the_fit():
    batch = photos()
    with pytest.raises(UserError, match="take out what changes the size"):
        Albumentations({"RandomCrop": {"height": 8, "width": 8, "p": 1}}).bind(
            batch, torch.arange(N)
        )
