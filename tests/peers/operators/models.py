"""Whole models, a batch of patches or vectors to an embedding, that were once refused or came out wrong."""

import numpy as np
import onnx
from onnx import TensorProto, helper
from suite import BOOL, F32, I32, U8, Graph, normal, run

FRAMES, BANDS = 32, 8


def add_to(s):
    patches = normal(5, FRAMES, BANDS, scale=2)

    def model(what, build, opset=13, batch="batch", x=patches, flat=True):
        def whole(g, x):
            y = build(g, x)
            return g.node("Flatten", y, axis=1) if flat else y
        s.add("models", what, whole, x, opset, [batch, *x.shape[1:]], rows=True)

    def image(g, x):
        return g.node("Reshape", x, g.ints(0, 1, FRAMES, BANDS))

    model("attention", lambda g, x: g.node("Attention", x, x, x, q_num_heads=4, kv_num_heads=4), 23)
    model("batch of size 0", lambda g, x: g.node("Relu", x), batch=0)
    model("cast to bool", lambda g, x: g.node("Mul", x, g.cast(g.cast(g.node("Floor", x), BOOL), F32)))
    model("SAME_LOWER", lambda g, x: g.node("Conv", image(g, x), g.const(normal(4, 1, 3, 3)), auto_pad="SAME_LOWER", kernel_shape=[3, 3], strides=[2, 2]))
    model("ConvInteger", lambda g, x: g.cast(g.node("ConvInteger", g.node("DynamicQuantizeLinear", image(g, x), outputs=3)[0], g.const(np.abs(normal(4, 1, 3, 3)) * 50, np.uint8), kernel_shape=[3, 3]), F32))
    model("Dropout", lambda g, x: g.node("Dropout", x))
    model("GlobalMaxPool", lambda g, x: g.node("GlobalMaxPool", g.node("Conv", image(g, x), g.const(normal(4, 1, 3, 3)))))
    model("LSTM with lengths", lambda g, x: g.node("Transpose", g.node("LSTM", g.node("Transpose", x, perm=[1, 0, 2]), g.const(normal(1, 16, BANDS)), g.const(normal(1, 16, 4, seed=1)), "", g.const([10], np.int32), hidden_size=4, outputs=3)[0], perm=[2, 0, 1, 3]), batch=1)
    model("pool without strides", lambda g, x: g.node("AveragePool", image(g, x), kernel_shape=[FRAMES, BANDS]))
    model("integer exponent", lambda g, x: g.node("Pow", x, g.const(2, np.int64)))
    model("QDQ without zero point", lambda g, x: g.node("DequantizeLinear", g.node("QuantizeLinear", x, g.const(0.05)), g.const(0.05)))
    model("Relu of NaN", lambda g, x: g.node("Relu", g.node("Sqrt", g.node("Sub", x, g.const(0.5)))))
    model("Resize", lambda g, x: g.node("Resize", image(g, x), "", g.const([1, 1, 2, 2]), mode="linear"))
    model("softmax along time", lambda g, x: g.node("Softmax", g.node("MatMul", x, g.const(normal(BANDS, 3))), axis=1), 12)
    model("Softplus", lambda g, x: g.node("Softplus", g.node("Mul", x, g.const(100))))

    def call(g, x):
        body = [helper.make_node("Relu", ["self"], ["result"])]
        g.functions.append(helper.make_function("pkg.torch", "aten_relu", ["self"], ["result"], body, [helper.make_opsetid("", 18)]))
        g.domains["pkg.torch"] = 1
        return g.node("ReduceMean", g.node("aten_relu", x, domain="pkg.torch"), g.ints(1), keepdims=0)
    model("local function", call, 18, flat=False)

    vectors = normal(7, 20, scale=2)

    def dynamic(g, x, width, outputs, seed):
        y, scale, zero = g.node("DynamicQuantizeLinear", x, outputs=3)
        weights = g.const(normal(width, outputs, seed=seed, scale=40), np.int8)
        product = g.cast(g.node("MatMulInteger", y, weights, zero, g.const(0, np.int8)), F32)
        return g.node("Mul", product, g.node("Mul", scale, g.const(0.01)))

    def head(g, x):
        hidden = g.node("Relu", g.node("Add", dynamic(g, x, 20, 10, 1), g.const(normal(10))))
        return g.node("Softmax", g.node("Add", dynamic(g, hidden, 10, 4, 2), g.const(normal(4))))
    model("dynamic int8", head, x=vectors, flat=False)
    model("dynamic int8, a batch of 4", head, x=vectors, flat=False, batch=4)
    model("less the mean of the batch", lambda g, x: g.node("Sub", x, g.node("ReduceMean", g.node("Mul", x, x), axes=[0])), x=vectors, flat=False)


def external(folder):
    """A model whose weights are in a file beside it: `external/model.onnx`, its input, and its output."""
    folder = folder / "external"
    folder.mkdir()
    g = Graph()
    x = normal(3, FRAMES, BANDS)
    y = g.node("ReduceMean", g.node("MatMul", "x", g.const(normal(BANDS, 4))), g.ints(1), keepdims=0)
    g.nodes.append(helper.make_node("Identity", [y], ["embeddings"]))
    put = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", FRAMES, BANDS])
    out = helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["batch", 4])
    graph = helper.make_graph(g.nodes, "graph", [put], [out], g.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    (values,) = run(model.SerializeToString(), x, False)
    onnx.save(model, folder / "model.onnx", save_as_external_data=True, location="model.onnx.data", size_threshold=0)
    x.tofile(folder / "input.f32")
    values.tofile(folder / "output.f32")
