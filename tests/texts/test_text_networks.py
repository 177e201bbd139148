"""The networks' own promises: padding changes nothing, and the exported graph says the same."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from bigmodel.bundle.engine import Engine
from bigmodel.bundle.export import to_onnx
from bigmodel.data.encoder import Encoded
from bigmodel.data.spec import ModelSpec
from bigmodel.models.build import Part
from bigmodel.models.networks.bag_of_ngrams import BagOfNgrams
from bigmodel.models.networks.text_cnn import TextCNN
from bigmodel.models.networks.text_transformer import TextTransformer

VOCABULARY, LENGTH = 50, 12


def texts(rows: int, seed: int = 0) -> np.ndarray:
    """Random texts of 1 to 12 tokens."""
    rng = np.random.default_rng(seed)
    tokens = rng.integers(1, VOCABULARY, (rows, LENGTH))
    lengths = rng.integers(1, LENGTH + 1, rows)
    return np.where(np.arange(LENGTH) < lengths[:, None], tokens, 0).astype(np.int32)


def part(tokens: np.ndarray) -> Part:
    empty = np.zeros((len(tokens), 0))
    inputs = Encoded(empty.astype(np.float32), empty.astype(np.int32), tokens)
    return Part(inputs, np.zeros(len(tokens), dtype=np.int64))


@dataclass(frozen=True)
class Shape:
    """What a table has beside its text."""

    n_numeric: int = 0
    cardinalities: tuple[int, ...] = ()


def make(name: str, shape: Shape, source: str = "") -> torch.nn.Module:
    torch.manual_seed(0)
    common = (shape.n_numeric, shape.cardinalities, 3)
    if name == "cnn":
        made = TextCNN(*common, VOCABULARY, dim=8, channels=4)
    elif name == "transformer":
        made = TextTransformer(*common, VOCABULARY, LENGTH, dim=8, heads=2)
    elif name == "bag":
        made = BagOfNgrams(*common, VOCABULARY, VOCABULARY // 2, lambda: part(texts(100)), dim=8)
    else:
        from bigmodel.models.networks.pretrained import PretrainedText, Sentence

        made = (
            PretrainedText(*common, LENGTH, source=source)
            if name == "hf"
            else Sentence(
                *common,
                LENGTH,
                lambda: part(texts(100)),
                lambda: part(texts(50, 1)),
                source=source,
            )
        )
    return made.eval()


NAMES = ["cnn", "transformer", "bag", "hf", "sentence"]


def inputs(shape: Shape, rows: int) -> Encoded:
    rng = np.random.default_rng(1)
    numeric = rng.normal(size=(rows, shape.n_numeric)).astype(np.float32)
    codes = [rng.integers(0, size, rows) for size in shape.cardinalities]
    categorical = np.array(codes, dtype=np.int32).reshape(len(codes), rows).T.copy()
    return Encoded(numeric, categorical, texts(rows, seed=5))


def ask(network: torch.nn.Module, given: Encoded) -> np.ndarray:
    with torch.no_grad():
        return network(*[torch.from_numpy(a) for a in given[:3]]).numpy()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [Shape(), Shape(2, (4,))], ids=["text", "mixed"])
def test_the_graph_says_what_the_network_says(name, shape, tiny_bert):
    network = make(name, shape, tiny_bert)
    spec = ModelSpec(
        shape.n_numeric, shape.cardinalities, "multiclass", 3, ("a", "b", "c"), 100,
        vocabulary=VOCABULARY, length=LENGTH,
    )  # fmt: skip
    engine = Engine(to_onnx(network, spec), "here", threads=1)
    for rows in (1, 2, 150):
        given = inputs(shape, rows)
        np.testing.assert_allclose(engine.run(given), ask(network, given), atol=1e-5)
    assert engine.run(inputs(shape, 0)).shape == (0, 3)


@pytest.mark.parametrize("name", NAMES)
def test_padding_and_neighbours_change_nothing(name, tiny_bert):
    network = make(name, Shape(), tiny_bert)
    given = inputs(Shape(), 100)
    together = ask(network, given)
    for row in (0, 1, 50):
        tokens = given.tokens[[row]]
        tokens = tokens[:, : int((tokens != 0).sum())]
        alone = Encoded(given.numeric[[row]], given.categorical[[row]], tokens)
        np.testing.assert_allclose(ask(network, alone)[0], together[row], atol=1e-5)


def test_a_sentence_encoder_does_not_train_and_remembers_what_it_read(tiny_bert):
    network = make("sentence", Shape(), tiny_bert).train()
    assert not network.model.training
    assert not any(p.requires_grad for p in network.model.parameters())
    known = torch.from_numpy(texts(100))
    calls: list[int] = []
    network.model.register_forward_hook(lambda *_: calls.append(1))
    vectors = network.vector(known)
    assert not calls
    network.known = network.known[:0]  # forget
    np.testing.assert_allclose(network.vector(known), vectors, atol=1e-5)
    assert calls
