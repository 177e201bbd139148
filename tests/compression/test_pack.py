"""A packed file answers as the dense one did, bit for bit, and is smaller."""

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from bigmodel.bundle.unpack import unpacked
from bigmodel.compression.pack import pack
from bigmodel.compression.slim import slim

RNG = np.random.default_rng(0)
DENSE = RNG.normal(size=(61, 33)).astype(np.float32)  # 2,013 values: no multiple of 8


def model(values: np.ndarray) -> onnx.ModelProto:
    """x times the values, as floats."""
    nodes = [helper.make_node("Cast", ["w"], ["f"], to=TensorProto.FLOAT)]
    nodes.append(helper.make_node("MatMul", ["x", "f"], ["output"]))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", values.shape[0]])
    y = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["rows", values.shape[1]])
    graph = helper.make_graph(nodes, "g", [x], [y], [numpy_helper.from_array(values, "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def answers(made: onnx.ModelProto) -> np.ndarray:
    session = onnxruntime.InferenceSession(made.SerializeToString())
    return session.run(None, {"x": RNG_ROWS})[0]


RNG_ROWS = RNG.normal(size=(7, 61)).astype(np.float32)
ONE_IN_FIVE = RNG.random(DENSE.shape) < 0.2


def few_bits(bits: int) -> np.ndarray:
    most = 2 ** (bits - 1) - 1
    return RNG.integers(-most, most + 1, DENSE.shape).astype(np.int8)


CASES = {  # values, and the least factor by which the file of 2,013 of them has to shrink
    "signs": (np.where(DENSE >= 0, 127, -127).astype(np.int8), 1.0),
    "three bits": (few_bits(3), 1.0),
    "sparse integers": (few_bits(8) * ONE_IN_FIVE, 1.0),
    "sparse floats": (DENSE * ONE_IN_FIVE + 0.0, 2.0),
    "sparse few floats": (few_bits(3).astype(np.float32) * ONE_IN_FIVE + 0.0, 3.0),
    "half": (DENSE.astype(np.float16).astype(np.float32), 1.5),
    "bfloat16": (DENSE.astype(ml_dtypes.bfloat16).astype(np.float32), 1.5),
    "negative zeros": (np.where(ONE_IN_FIVE, DENSE, np.float32(-0.0)), 0.99),
    "nothing to gain": (DENSE, 0.99),
}


@pytest.mark.parametrize("case", CASES)
def test_packing_loses_nothing(case):
    values, factor = CASES[case]
    dense = model(values)
    packed = slim(pack(dense))
    assert answers(packed).tobytes() == answers(dense).tobytes()
    assert dense.ByteSize() >= factor * packed.ByteSize()
    onnx.checker.check_model(packed, full_check=True)
    reference = ReferenceEvaluator(packed).run(None, {"x": RNG_ROWS})[0]  # by the standard
    np.testing.assert_allclose(reference, answers(packed), rtol=1e-4, atol=1e-4)
    dense_again = onnx.load_model_from_string(unpacked(packed.SerializeToString()))
    assert answers(dense_again).tobytes() == answers(dense).tobytes()


def test_bits_take_an_eighth_of_a_byte():
    signs = np.where(RNG.normal(size=(512, 512)) >= 0, 127, -127).astype(np.int8)
    assert pack(model(signs)).ByteSize() < 512 * 512 / 8 + 2000


def test_the_engine_folds_what_unpacks(tmp_path):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "folded.onnx")
    options.log_severity_level = 4
    packed = pack(model(few_bits(4)))
    onnxruntime.InferenceSession(packed.SerializeToString(), options)
    kinds = [node.op_type for node in onnx.load(tmp_path / "folded.onnx").graph.node]
    assert kinds == ["MatMul"]
