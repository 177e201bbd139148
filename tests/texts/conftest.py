"""Small corpora, and runs on them that several tests look at."""

from collections.abc import Callable
from pathlib import Path

import pytest
from corpus import MODELS, SMALL, reviews, train

from bigmodel.train import Result

pytest.importorskip("tokenizers")


@pytest.fixture
def fit(here: Path) -> Callable[..., Result]:
    """A function that trains in this test's own directory."""
    return lambda *overrides: train(here / "run", *overrides)


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reviews as a CSV file."""
    path = tmp_path_factory.mktemp("reviews") / "reviews.csv"
    reviews().to_csv(path, index=False)
    return path


@pytest.fixture(scope="session", params=MODELS)
def run(request, table: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A run of each model that is trained from scratch."""
    model = request.param
    folder = tmp_path_factory.mktemp(model) / "run"
    data = ["data=text", f"data.path={table}", "data.column=review", "data.target=opinion"]
    return train(folder, *data, f"model={model}", *SMALL[model])


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a small model of random weights and its tokenizer, as a hub would hold."""
    transformers = pytest.importorskip("transformers")
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    words = sorted({word for text in reviews()["review"].dropna() for word in text.split()})
    words = [word.strip(",!").lower() for word in words]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *dict.fromkeys(words)]
    codes = {word: code for code, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(codes, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    folder = tmp_path_factory.mktemp("bert")
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=60, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64, pad_token_id=0,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder)
    return str(folder)
