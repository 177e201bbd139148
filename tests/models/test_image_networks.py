"""Networks of images: shapes, export, views at test time, and what else a row has."""

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from bigmodel.bundle.export import to_onnx
from bigmodel.data.spec import ModelSpec
from bigmodel.errors import UserError
from bigmodel.models.build import build
from bigmodel.models.networks.convnext import ConvNeXt
from bigmodel.models.networks.images import averaged
from bigmodel.models.networks.resnet import ResNet

RESNET = {"blocks": [1, 1], "widths": [8, 16]}
CONVNEXT = {"blocks": [1, 1, 1, 1], "widths": [8, 16, 24, 32]}
VIEWS = {"test_time": ["hflip", "vflip"]}
CASES = [
    (ResNet, RESNET | VIEWS, (3, 32, 32), 0, ()),
    (ResNet, RESNET | {"shortcut": "conv"}, (1, 28, 20), 2, (3,)),
    (ResNet, RESNET, (3, 80, 72), 0, (4, 2)),
    (ConvNeXt, CONVNEXT | VIEWS, (3, 32, 32), 0, ()),
    (ConvNeXt, CONVNEXT, (1, 3, 5), 2, ()),
    (ConvNeXt, CONVNEXT, (3, 72, 64), 0, (3,)),
]


def rows(n, image, n_numeric, cardinalities):
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randint(0, 256, (n, *image), dtype=torch.uint8, generator=generator),
        torch.randn(n, n_numeric, generator=generator),
        torch.ones(n, len(cardinalities), dtype=torch.int32),
    )


def varied(network: nn.Module) -> nn.Module:
    """Weights as training would leave them: none at their starting values of 0 or 1."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return network


@pytest.mark.parametrize(("make", "settings", "image", "n_numeric", "cardinalities"), CASES)
def test_the_exported_graph_takes_pixels_and_gives_the_same(
    make, settings, image, n_numeric, cardinalities
):
    torch.manual_seed(0)
    network = varied(make(image, 4, n_numeric, cardinalities, **settings))
    given = rows(5, image, n_numeric, cardinalities)
    network(*given)  # in training mode: moves the running statistics
    network.eval()
    spec = ModelSpec(n_numeric, cardinalities, "multiclass", 4, tuple("abcd"), 5, image=image)
    session = onnxruntime.InferenceSession(to_onnx(network, spec))
    types = {one.name: one.type for one in session.get_inputs()}
    assert types["image"] == "tensor(uint8)"
    feed = {
        name: tensor.numpy()
        for name, tensor in zip(("image", "numeric", "categorical"), given, strict=True)
        if name in types
    }
    assert set(types) == {name for name, tensor in feed.items() if 0 not in tensor.shape}
    with torch.no_grad():
        wanted = network(*given).numpy()
    np.testing.assert_allclose(session.run(None, feed)[0], wanted, atol=1e-4)


@pytest.mark.parametrize(("make", "settings"), [(ResNet, RESNET), (ConvNeXt, CONVNEXT)])
def test_views_at_test_time_are_averaged_as_probabilities(make, settings):
    torch.manual_seed(0)
    network = varied(make((3, 16, 16), 3, 0, (), **settings, test_time=["hflip"])).eval()
    image, numeric, categorical = rows(4, (3, 16, 16), 0, ())
    answer = network(image, numeric, categorical).softmax(1)
    torch.testing.assert_close(network(image.flip(3), numeric, categorical).softmax(1), answer)
    network.test_time = ()
    both = [network(x, numeric, categorical).softmax(1) for x in (image, image.flip(3))]
    torch.testing.assert_close((both[0] + both[1]) / 2, answer)
    assert not torch.allclose(both[0], both[1])


def test_values_are_averaged_as_they_are():
    assert averaged(torch.tensor([[[1.0]], [[4.0]]])).item() == 2.5


@pytest.mark.parametrize(("make", "settings"), [(ResNet, RESNET), (ConvNeXt, CONVNEXT)])
def test_the_head_works_on_the_features(make, settings):
    network = make((3, 16, 16), 3, 2, (), **settings).eval()
    given = rows(4, (3, 16, 16), 2, ())
    torch.testing.assert_close(network.head(network.features(*given)), network(*given))


def test_a_resnet_20_is_the_published_one():
    network = ResNet((3, 32, 32), 10, 0, ())
    assert sum(p.numel() for p in network.parameters()) == 269_722  # 0.27 million in the paper
    sizes = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert len(sizes) + 1 == 20


def test_a_resnet_18_is_the_published_one():
    network = ResNet(
        (3, 224, 224), 1000, 0, (), blocks=[2] * 4, widths=[64, 128, 256, 512], shortcut="conv"
    )
    assert sum(p.numel() for p in network.parameters()) == 11_689_512


def test_a_convnext_tiny_is_the_published_one():
    network = ConvNeXt((3, 224, 224), 1000, 0, ())
    assert sum(p.numel() for p in network.parameters()) == 28_589_128


def test_a_block_is_left_out_at_random_only_in_training():
    torch.manual_seed(0)
    network = varied(ConvNeXt((3, 16, 16), 3, 0, (), **CONVNEXT, drop_path=0.9))
    given = rows(4, (3, 16, 16), 0, ())
    assert not torch.equal(network(*given), network(*given))
    network.eval()
    assert torch.equal(network(*given), network(*given))


@pytest.mark.parametrize("make", [ResNet, ConvNeXt])
def test_stages_need_both_numbers(make):
    with pytest.raises(UserError, match="one number for each stage"):
        make((3, 16, 16), 3, 0, (), blocks=[1, 2], widths=[8])


def test_a_table_without_images_is_refused():
    spec = ModelSpec(3, (), "binary", 2, ("a", "b"), 5)
    with pytest.raises(UserError, match=r"^model: ResNet reads images, and the data has none; use"):
        build(ResNet, spec)
