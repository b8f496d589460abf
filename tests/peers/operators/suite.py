"""What the lists of cases are written with: a graph of a few nodes on one input `x` of floats, run by onnxruntime."""

import json

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

F32, F16, F64 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE
I8, U8, I32, I64, BOOL = TensorProto.INT8, TensorProto.UINT8, TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL

NAN, INF = np.nan, np.inf

# What is special for some operator: not finite, zeros, denormals, bounds of exp and of integers, ties of rounding.
ODD = np.array(
    [
        [NAN, INF, -INF, 0.0, -0.0, 1e-40, -1e-40, 1e38],
        [-1e38, 88.0, 90.0, -90.0, 104.0, -104.0, 0.5, 1.5],
        [2.5, -0.5, -1.5, 1.0, -1.0, 6.0, -3.0, 3.0],
        [20.0, -20.0, 40.0, -40.0, 0.999, -0.999, 1e-6, -1e-6],
    ],
    np.float32,
)


def normal(*shape, seed=0, scale=1.0):
    return (scale * np.random.default_rng(seed).normal(0, 1, shape)).astype(np.float32)


def whole(*shape, low=-5, high=6, seed=0):
    """Floats without a fraction, for integers."""
    return np.random.default_rng(seed).integers(low, high, shape).astype(np.float32)


def run(data, x, rows, batch=1):
    """onnxruntime's outputs; with `rows`, each row of `x` by itself, repeated to fill the batch. Where its optimisations change them, for they quantise what the file does not, those of the
    graph as it is written."""
    results = []
    for level in (onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = level
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        batches = [np.repeat(row[None], batch, 0) for row in x] if rows else [x]
        parts = [session.run(None, {"x": part}) for part in batches]
        if rows:
            parts = [[output[: len(output) // batch] for output in part] for part in parts]
        results.append([np.concatenate(outputs) if rows else outputs[0] for outputs in zip(*parts)])
    plain, optimised = results
    same = all(np.allclose(a, b, 1e-5, 1e-5, equal_nan=True) for a, b in zip(plain, optimised))
    return optimised if same else plain


class Graph:
    """A graph under construction."""

    def __init__(self):
        self.nodes, self.constants, self.functions, self.info = [], [], [], []
        self.domains = {}

    def const(self, value, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def ints(self, *values):
        return self.const(values, np.int64)

    def node(self, op, *inputs, outputs=1, **attributes):
        names = [f"t{len(self.nodes)}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def cast(self, x, to):
        return self.node("Cast", x, to=to)


class Suite:
    """The cases and their values: `cases.json` says where each one's bytes are in `cases.bin`."""

    def __init__(self):
        self.cases, self.blob, self.failed = [], bytearray(), []

    def put(self, data):
        start = len(self.blob)
        self.blob += data
        return [start, len(self.blob)]

    def add(self, op, what, build, x=None, opset=17, dims=None, rows=False):
        """`build(graph, "x")` returns the name of the output, or several. All are cast to floats.

        With `rows` it is a model: its input is a batch of patches or vectors, which onnxruntime gets one by one.
        """
        x = normal(3, 4) if x is None else np.asarray(x, np.float32)
        g = Graph()
        made = build(g, "x")
        made = [made] if isinstance(made, str) else list(made)
        outputs = []
        for index, name in enumerate(made):
            g.nodes.append(helper.make_node("Cast", [name], [f"out{index}"], to=F32))
            outputs.append(helper.make_tensor_value_info(f"out{index}", F32, None))
        put = helper.make_tensor_value_info("x", F32, dims or list(x.shape))
        graph = helper.make_graph(g.nodes, "graph", [put], outputs, g.constants, value_info=g.info)
        opsets = [helper.make_opsetid("", opset)]
        opsets += [helper.make_opsetid(domain, version) for domain, version in g.domains.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10, functions=g.functions)
        data = model.SerializeToString()
        name = f"{op}: {what}" if what else op
        try:
            # onnxruntime takes a size of 0 at its word.
            runs = onnx.ModelProto.FromString(data)
            for dim in runs.graph.input[0].type.tensor_type.shape.dim:
                if dim.HasField("dim_value") and dim.dim_value == 0:
                    dim.dim_param = "any"
            batch = dims[0] if rows and isinstance(dims[0], int) else 0
            values = run(runs.SerializeToString(), x, rows, max(batch, 1))
        except Exception as error:
            # Not a case: what onnxruntime does not run has no value to compare with.
            self.failed.append(f"{name}: {str(error).splitlines()[0][:200]}")
            return
        # The same graph for any sizes.
        for index, dim in enumerate(model.graph.input[0].type.tensor_type.shape.dim if not rows else []):
            dim.dim_param = f"d{index}"
        self.cases.append({
            "operator": op,
            "name": name,
            # Half precision is computed in single here.
            "tolerance": 2e-3 if self.is_half(model) else 1e-5,
            "rows": rows,
            "model": self.put(data),
            "open": self.put(b"" if rows else model.SerializeToString()),
            "shape": list(x.shape),
            "input": self.put(x.tobytes()),
            "outputs": [self.put(np.ascontiguousarray(value, np.float32).tobytes()) for value in values],
        })

    @staticmethod
    def is_half(model):
        types = [tensor.data_type for tensor in model.graph.initializer]
        types += [value.i for node in model.graph.node for value in node.attribute if value.name == "to"]
        return F16 in types

    def write(self, folder):
        names = [case["name"] for case in self.cases]
        assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)
        (folder / "cases.bin").write_bytes(self.blob)
        (folder / "cases.json").write_text(json.dumps({"cases": self.cases, "not_run": self.failed}))
