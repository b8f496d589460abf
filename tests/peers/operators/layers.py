"""Convolutions, pools, matrix products, normalisations, softmax, recurrent layers, attention.

Maxima of values of which some are NaN are not here: onnxruntime's depend on where in a vector NaN is.
"""

import fused
import numpy as np
from suite import F16, I8, I32, I64, INF, NAN, ODD, U8, normal, whole

PADDINGS = ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]


def convolutions(s):
    w1, w2 = normal(4, 3, 4, seed=1), normal(4, 3, 4, 3, seed=1)
    x1, x2 = normal(2, 3, 11), normal(2, 3, 9, 10)
    for pad in PADDINGS:
        for stride in (1, 2, 3):
            s.add("Conv", f"1-D {pad} stride {stride}", lambda g, x: g.node("Conv", x, g.const(w1), auto_pad=pad, strides=[stride]), x1)
            s.add("Conv", f"2-D {pad} stride {stride}", lambda g, x: g.node("Conv", x, g.const(w2), g.const(normal(4)), auto_pad=pad, strides=[stride, 1], kernel_shape=[4, 3]), x2)
        s.add("Conv", f"{pad} dilated", lambda g, x: g.node("Conv", x, g.const(w2), auto_pad=pad, dilations=[2, 1]) if pad in ("NOTSET", "VALID") else g.node("Conv", x, g.const(w2), auto_pad=pad), x2)
        s.add("Conv", f"{pad} sizes at run time", lambda g, x: g.node("Conv", x, g.const(w2), auto_pad=pad, strides=[2, 2]), x2, dims=["n", 3, "h", "w"])
    s.add("Conv", "pads", lambda g, x: g.node("Conv", x, g.const(w2), pads=[1, 0, 2, 1]), x2)
    s.add("Conv", "pads 1-D", lambda g, x: g.node("Conv", x, g.const(w1), pads=[3, 1]), x1)
    s.add("Conv", "grouped", lambda g, x: g.node("Conv", x, g.const(normal(6, 1, 3, 3)), group=3, pads=[1, 1, 1, 1]), x2)
    s.add("Conv", "depthwise SAME_LOWER", lambda g, x: g.node("Conv", x, g.const(normal(3, 1, 4, 2)), group=3, auto_pad="SAME_LOWER", strides=[2, 1]), x2)
    s.add("Conv", "pointwise", lambda g, x: g.node("Conv", x, g.const(normal(5, 3, 1, 1))), x2)
    s.add("Conv", "opset 1", lambda g, x: g.node("Conv", x, g.const(w2), kernel_shape=[4, 3]), x2, 7)
    s.add("Conv", "NaN", lambda g, x: g.node("Conv", x, g.const(w1)), np.where(np.arange(66).reshape(2, 3, 11) == 7, NAN, x1))
    s.add("Conv", "3-D", lambda g, x: g.node("Conv", x, g.const(normal(2, 1, 2, 2, 2))), normal(1, 1, 4, 4, 4))
    s.add("Conv", "then Add", lambda g, x: g.node("Add", g.node("Conv", x, g.const(w2)), g.const(normal(4, 1, 1, seed=4))), x2)
    s.add("Conv", "then batch norm", lambda g, x: g.node("BatchNormalization", g.node("Conv", x, g.const(w2)), g.const(normal(4, seed=4)), g.const(normal(4, seed=5)), g.const(normal(4, seed=6)), g.const(np.abs(normal(4, seed=7)))), x2)

    t1, t2 = normal(3, 4, 4, seed=1), normal(3, 4, 4, 3, seed=1)
    for pad in PADDINGS:
        for stride in (1, 2, 3):
            s.add("ConvTranspose", f"1-D {pad} stride {stride}", lambda g, x: g.node("ConvTranspose", x, g.const(t1), auto_pad=pad, strides=[stride]), x1)
            s.add("ConvTranspose", f"2-D {pad} stride {stride}", lambda g, x: g.node("ConvTranspose", x, g.const(t2), g.const(normal(4)), auto_pad=pad, strides=[stride, 2], kernel_shape=[4, 3]), x2)
    for what, settings in (
        ("pads", {"pads": [1, 0, 2, 1]}),
        ("output padding", {"strides": [2, 2], "output_padding": [1, 0]}),
        ("output shape", {"strides": [2, 2], "output_shape": [19, 20]}),
        ("output shape SAME_LOWER", {"strides": [2, 2], "output_shape": [19, 20], "auto_pad": "SAME_LOWER"}),
        ("output shape SAME_UPPER", {"strides": [2, 2], "output_shape": [19, 20], "auto_pad": "SAME_UPPER"}),
        ("dilated", {"dilations": [2, 1]}),
    ):
        s.add("ConvTranspose", what, lambda g, x: g.node("ConvTranspose", x, g.const(t2), **settings), x2)
    s.add("ConvTranspose", "grouped", lambda g, x: g.node("ConvTranspose", x, g.const(normal(3, 2, 3, 3)), group=3), x2)

    wi = np.random.default_rng(3).integers(0, 255, [4, 3, 3, 2])
    xi = whole(2, 3, 6, 7, low=0, high=255)
    for pad in PADDINGS:
        for zero in (None, 7):
            def build(g, x):
                zeros = [] if zero is None else [g.const(zero, np.uint8)]
                return g.node("ConvInteger", g.cast(x, U8), g.const(wi, np.uint8), *zeros, auto_pad=pad)
            s.add("ConvInteger", f"{pad} zero point {zero}", build, xi)
    for zero_w in (None, 0, 9, [1, 2, 3, 4]):
        for dtype in (np.uint8, np.int8):
            def build(g, x):
                zeros = [] if zero_w is None else [g.const(5, np.uint8), g.const(zero_w, dtype)]
                return g.node("ConvInteger", g.cast(x, U8), g.const(wi - 128 if dtype == np.int8 else wi, dtype), *zeros, strides=[2, 1])
            s.add("ConvInteger", f"{dtype.__name__} zero point of weights {zero_w}", build, xi)
    s.add("ConvInteger", "depthwise", lambda g, x: g.node("ConvInteger", g.cast(x, U8), g.const(wi[:3, :1] - 128, np.int8), g.const(3, np.uint8), g.const(-2, np.int8), group=3), xi)
    s.add("ConvInteger", "signed weights", lambda g, x: g.node("ConvInteger", g.cast(x, U8), g.const(wi - 128, np.int8), g.const(3, np.uint8), g.const(2, np.int8), pads=[1, 1, 1, 1]), xi)


def pools(s):
    x1, x2 = normal(2, 3, 11), normal(2, 3, 9, 10)
    spotted = np.where(np.arange(x2.size).reshape(x2.shape) % 23 == 0, np.float32(NAN), x2)
    s.add("LpPool", "", lambda g, x: g.node("LpPool", x, kernel_shape=[2, 2]), x2)
    for op in ("MaxPool", "AveragePool"):
        for pad in PADDINGS:
            for stride in (None, 1, 2, 3):
                for dims, x, kernel in ((1, x1, [4]), (2, x2, [4, 3])):
                    settings = {} if stride is None else {"strides": [stride] * dims}
                    s.add(op, f"{dims}-D {pad} stride {stride}", lambda g, x: g.node(op, x, kernel_shape=kernel, auto_pad=pad, **settings), x)
            s.add(op, f"{pad} sizes at run time", lambda g, x: g.node(op, x, kernel_shape=[4, 3], auto_pad=pad, strides=[2, 2]), x2, dims=["n", 3, "h", "w"])
        s.add(op, "pads", lambda g, x: g.node(op, x, kernel_shape=[4, 3], pads=[1, 0, 2, 1], strides=[2, 2]), x2)
        if op != "MaxPool":
            s.add(op, "NaN", lambda g, x: g.node(op, x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), spotted)
        for opset in (10, 11, 19, 22):
            s.add(op, f"ceil opset {opset}", lambda g, x: g.node(op, x, kernel_shape=[3, 3], strides=[2, 2], pads=[0, 1, 0, 1], ceil_mode=1), x2, opset)
            s.add(op, f"ceil, last window in the padding opset {opset}", lambda g, x: g.node(op, x, kernel_shape=[2, 2], strides=[3, 3], pads=[1, 1, 1, 1], ceil_mode=1), x2, opset)
            s.add(op, f"dilated opset {opset}", lambda g, x: g.node(op, x, kernel_shape=[2, 3], dilations=[2, 1]), x2, opset)
        s.add(op, "opset 7", lambda g, x: g.node(op, x, kernel_shape=[2, 2]), x2, 7)
    for opset in (10, 17, 19):
        for ceil in (0, 1):
            s.add("AveragePool", f"padding counts, ceil {ceil} opset {opset}", lambda g, x: g.node("AveragePool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1, ceil_mode=ceil), x2, opset)
    for pad in PADDINGS[2:]:
        s.add("AveragePool", f"padding counts {pad}", lambda g, x: g.node("AveragePool", x, kernel_shape=[4, 3], strides=[2, 2], auto_pad=pad, count_include_pad=1), x2)
        for stride in (2, 3):
            s.add("AveragePool", f"SAME stride {stride} kernel 1 {pad}", lambda g, x: g.node("AveragePool", x, kernel_shape=[1, 1], strides=[stride, 1], auto_pad=pad), x2, 19)
    s.add("MaxPool", "all -inf", lambda g, x: g.node("MaxPool", x, kernel_shape=[2, 2]), np.full([1, 1, 4, 4], -INF))
    s.add("MaxPool", "indices", lambda g, x: g.node("MaxPool", x, kernel_shape=[2, 2], outputs=2), x2)
    for op in ("GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool"):
        s.add(op, "2-D", lambda g, x: g.node(op, x), x2)
        s.add(op, "1-D", lambda g, x: g.node(op, x), x1)
        if op != "GlobalMaxPool":
            s.add(op, "NaN", lambda g, x: g.node(op, x), spotted)


def products(s):
    for what, a, b in (("2-D", [3, 4], [4, 5]), ("batch", [2, 3, 4], [4, 5]), ("both batches", [2, 3, 4], [2, 4, 5]), ("broadcast", [2, 1, 3, 4], [5, 4, 2]), ("vector", [2, 3, 4], [4])):
        s.add("MatMul", what, lambda g, x: g.node("MatMul", x, g.const(normal(*b, seed=1))), normal(*a))
    s.add("MatMul", "vector first", lambda g, x: g.node("MatMul", g.const(normal(3, seed=1)), x), normal(2, 3, 4))
    s.add("MatMul", "integers", lambda g, x: g.node("MatMul", g.cast(x, I32), g.const(whole(4, 2), np.int32)), whole(3, 4))
    s.add("MatMul", "NaN", lambda g, x: g.node("MatMul", x, g.const(normal(8, 3))), ODD)
    s.add("MatMul", "then Add", lambda g, x: g.node("Add", g.node("MatMul", x, g.const(normal(4, 2))), g.const(normal(2))), normal(3, 4))
    for ta in (0, 1):
        for tb in (0, 1):
            for c in (None, [], [1], [5], [3, 1], [3, 5], [1, 5]):
                def build(g, x):
                    more = [] if c is None else [g.const(normal(*c, seed=2))]
                    return g.node("Gemm", x, g.const(normal(*([5, 4] if tb else [4, 5]), seed=1)), *more, transA=ta, transB=tb, alpha=0.5, beta=2.0)
                if c in (None, [5]) or ta == tb == 0:
                    s.add("Gemm", f"{ta}{tb} {c}", build, normal(*([4, 3] if ta else [3, 4])))
    s.add("Gemm", "beta 0", lambda g, x: g.node("Gemm", x, g.const(normal(4, 5)), g.const(normal(5)), beta=0.0), normal(3, 4))
    s.add("Gemm", "opset 7", lambda g, x: g.node("Gemm", x, g.const(normal(4, 5)), g.const(normal(5))), normal(3, 4), 7)
    for equation, a, b in (("ij,jk->ik", [3, 4], [4, 5]), ("bij,bjk->bik", [2, 3, 4], [2, 4, 5]), ("bhid,bhjd->bhij", [2, 2, 3, 4], [2, 2, 5, 4]), ("ij,ij->i", [3, 4], [3, 4]), ("bi,oi->bo", [3, 4], [5, 4]), ("ij,k->ijk", [3, 4], [2]), ("...i,ij->...j", [2, 3, 4], [4, 5])):
        s.add("Einsum", equation, lambda g, x: g.node("Einsum", x, g.const(normal(*b, seed=1)), equation=equation), normal(*a))
    for equation in ("ij->ji", "ij->i", "ij->", "ij", "ji"):
        s.add("Einsum", equation, lambda g, x: g.node("Einsum", x, equation=equation), normal(3, 4))
    s.add("Einsum", "ii->i", lambda g, x: g.node("Einsum", x, equation="ii->i"), normal(4, 4))
    s.add("Einsum", "three", lambda g, x: g.node("Einsum", x, g.const(normal(4, 5)), g.const(normal(5, 2)), equation="ij,jk,kl->il"), normal(3, 4))


def normalisations(s):
    x = normal(2, 4, 3, 5)
    four = [np.abs(normal(4, seed=index)) + 0.1 for index in range(4)]
    for opset in (7, 9, 14, 15):
        s.add("BatchNormalization", f"opset {opset}", lambda g, x: g.node("BatchNormalization", x, *map(g.const, four), epsilon=1e-3), x, opset)
    s.add("BatchNormalization", "2-D", lambda g, x: g.node("BatchNormalization", x, *map(g.const, four)), normal(3, 4))
    s.add("BatchNormalization", "not spatial", lambda g, x: g.node("BatchNormalization", x, *[g.const(normal(4, 3, 5) ** 2 + 0.1) for _ in range(4)], spatial=0), x, 7)
    s.add("BatchNormalization", "NaN", lambda g, x: g.node("BatchNormalization", x, *[g.const(np.ones(8)) for _ in range(4)]), ODD)
    s.add("InstanceNormalization", "", lambda g, x: g.node("InstanceNormalization", x, g.const(four[0]), g.const(four[1])), x)
    s.add("InstanceNormalization", "1-D", lambda g, x: g.node("InstanceNormalization", x, g.const(four[0]), g.const(four[1]), epsilon=0.1), normal(2, 4, 9))
    for axis in (-1, 1, 2, -2):
        tail = x.shape[axis:]
        s.add("LayerNormalization", f"axis {axis}", lambda g, x: g.node("LayerNormalization", x, g.const(normal(*tail)), g.const(normal(*tail, seed=3)), axis=axis), x)
        s.add("RMSNormalization", f"axis {axis}", lambda g, x: g.node("RMSNormalization", x, g.const(normal(*tail)), axis=axis), x, 23)
    s.add("LayerNormalization", "no bias", lambda g, x: g.node("LayerNormalization", x, g.const(normal(5)), epsilon=0.1), x)
    s.add("LayerNormalization", "mean and deviation", lambda g, x: g.node("LayerNormalization", x, g.const(normal(5)), outputs=3), x)
    s.add("LayerNormalization", "scale for all", lambda g, x: g.node("LayerNormalization", x, g.const(normal(3, 5)), axis=-2), x)
    for opset in (18, 21):
        for groups in (1, 2, 4):
            c = groups if opset == 18 else 4
            s.add("GroupNormalization", f"{groups} opset {opset}", lambda g, x: g.node("GroupNormalization", x, g.const(normal(c)), g.const(normal(c, seed=2)), num_groups=groups), x, opset)
    s.add("GroupNormalization", "1-D", lambda g, x: g.node("GroupNormalization", x, g.const(normal(4)), g.const(normal(4, seed=2)), num_groups=2, epsilon=0.01), normal(2, 4, 7), 21)
    s.add("MeanVarianceNormalization", "", lambda g, x: g.node("MeanVarianceNormalization", x), x)
    s.add("MeanVarianceNormalization", "per row", lambda g, x: g.node("MeanVarianceNormalization", x, axes=[1, 2]), x)
    s.add("LRN", "", lambda g, x: g.node("LRN", x, size=3, alpha=0.5, beta=0.7, bias=1.5), x)
    s.add("LRN", "even", lambda g, x: g.node("LRN", x, size=2), x)
    for p in (1, 2):
        for axis in (-1, 1):
            s.add("LpNormalization", f"p {p} axis {axis}", lambda g, x: g.node("LpNormalization", x, p=p, axis=axis), x)
    s.add("LpNormalization", "zeros", lambda g, x: g.node("LpNormalization", x), np.zeros([2, 3]))
    for op in ("Softmax", "LogSoftmax", "Hardmax"):
        for opset in (7, 11, 12, 13, 17):
            for axis in (None, 0, 1, 2, -1, -2):
                if axis is not None and axis < 0 and opset < 11:
                    continue
                settings = {} if axis is None else {"axis": axis}
                s.add(op, f"axis {axis} opset {opset}", lambda g, x: g.node(op, x, **settings), normal(2, 3, 4), opset)
        s.add(op, "2-D opset 12", lambda g, x: g.node(op, x), normal(3, 4), 12)
        s.add(op, "4-D opset 9", lambda g, x: g.node(op, x, axis=3), normal(2, 3, 4, 2), 9)
        s.add(op, "sizes at run time opset 12", lambda g, x: g.node(op, x), normal(2, 3, 4), 12, dims=["n", "t", 4])
        s.add(op, "odd", lambda g, x: g.node(op, x), np.where(np.isnan(ODD), np.float32(0), ODD) if op == "Hardmax" else ODD)
        s.add(op, "-inf", lambda g, x: g.node(op, x), [[-INF, -INF, -INF], [0.0, -INF, 1.0]])
        s.add(op, "large", lambda g, x: g.node(op, x), [[1000.0, 999.0, -1000.0], [-1000.0, -999.0, -998.0]])
        s.add(op, "ties", lambda g, x: g.node(op, x), whole(4, 9, low=0, high=3))


def recurrent(s):
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}
    hidden, size, time, batch = 4, 3, 6, 3
    x = normal(time, batch, size)
    for op, count in gates.items():
        def build(direction="forward", bias=True, lens=None, start=False, outputs=(0, 1), peep=False, **settings):
            def inner(g, x):
                d = 2 if direction == "bidirectional" else 1
                inputs = [x, g.const(normal(d, count * hidden, size, seed=1)), g.const(normal(d, count * hidden, hidden, seed=2))]
                inputs.append(g.const(normal(d, 2 * count * hidden, seed=3)) if bias else "")
                inputs.append(g.const(lens, np.int32) if lens is not None else "")
                shape = [d, batch, hidden]
                inputs.append(g.const(normal(*shape, seed=4)) if start else "")
                if op == "LSTM":
                    inputs.append(g.const(normal(*shape, seed=5)) if start else "")
                    if peep:
                        inputs.append(g.const(normal(d, 3 * hidden, seed=6)))
                names = g.node(op, *inputs, hidden_size=hidden, direction=direction, outputs=3 if op == "LSTM" else 2, **settings)
                return names
            return inner

        for direction in ("forward", "reverse", "bidirectional"):
            s.add(op, direction, build(direction), x)
            s.add(op, f"{direction} without bias", build(direction, bias=False), x)
            s.add(op, f"{direction} initial state", build(direction, start=True), x)
            s.add(op, f"{direction} opset 7", build(direction), x, 7)
            for what, lens in (("whole", [6, 6, 6]), ("shorter", [6, 3, 1]), ("all 4", [4, 4, 4]), ("with 0", [6, 0, 2])):
                s.add(op, f"{direction} lengths {what}", build(direction, lens=lens), x)
            s.add(op, f"{direction} lengths and states", build(direction, lens=[6, 3, 1], start=True), x)
            names = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}[op]
            s.add(op, f"{direction} usual activations", build(direction, activations=names * (2 if direction == "bidirectional" else 1)), x)
        others = {"RNN": ["Relu"], "GRU": ["HardSigmoid", "Relu"], "LSTM": ["HardSigmoid", "Tanh", "Relu"]}[op]
        s.add(op, "other activations", build(activations=others), x)
        s.add(op, "activations in small letters", build(activations=[name.lower() for name in names]), x)
        s.add(op, "clip", build(clip=0.3), x)
        s.add(op, "lengths at run time", lambda g, x: g.node(op, x, g.const(normal(1, count * hidden, size, seed=1)), g.const(normal(1, count * hidden, hidden, seed=2)), "", g.cast(g.node("Add", g.const([2, 3, 4]), g.const(0)), I32), hidden_size=hidden, outputs=2), x)
        s.add(op, "one step", build(), x[:1])
    s.add("LSTM", "input_forget", lambda g, x: g.node("LSTM", x, g.const(normal(1, 16, 3, seed=1)), g.const(normal(1, 16, 4, seed=2)), hidden_size=4, input_forget=1, outputs=3), x)
    s.add("LSTM", "peepholes", lambda g, x: g.node("LSTM", x, g.const(normal(1, 16, 3, seed=1)), g.const(normal(1, 16, 4, seed=2)), "", "", "", "", g.const(normal(1, 12, seed=3)), hidden_size=4, outputs=3), x)
    for direction in ("forward", "reverse", "bidirectional"):
        for reset in (0, 1):
            d = 2 if direction == "bidirectional" else 1
            s.add("GRU", f"{direction} linear_before_reset {reset}", lambda g, x: g.node("GRU", x, g.const(normal(d, 12, 3, seed=1)), g.const(normal(d, 12, 4, seed=2)), g.const(normal(d, 24, seed=3)), hidden_size=4, linear_before_reset=reset, direction=direction, outputs=2), x)


def attention(s):
    q, k = normal(2, 2, 3, 4), normal(2, 2, 5, 4, seed=1)
    v = normal(2, 2, 5, 6, seed=2)
    for opset in (23, 24):
        for what, settings in (("", {}), ("causal", {"is_causal": 1}), ("scale", {"scale": 0.3}), ("softcap", {"softcap": 2.0})):
            s.add("Attention", f"4-D {what} opset {opset}", lambda g, x: g.node("Attention", x, g.const(k), g.const(v), **settings), q, opset)
    s.add("Attention", "mask of floats", lambda g, x: g.node("Attention", x, g.const(k), g.const(v), g.const(normal(3, 5, seed=4))), q, 23)
    s.add("Attention", "mask of booleans", lambda g, x: g.node("Attention", x, g.const(k), g.const(v), g.const(np.arange(15).reshape(3, 5) % 3 > 0, bool)), q, 23)
    s.add("Attention", "mask hides a row", lambda g, x: g.node("Attention", x, g.const(k), g.const(v), g.const([[True] * 5, [False] * 5, [True] * 5], bool)), q, 23)
    s.add("Attention", "3-D", lambda g, x: g.node("Attention", x, g.const(normal(2, 5, 8, seed=1)), g.const(normal(2, 5, 8, seed=2)), q_num_heads=2, kv_num_heads=2), normal(2, 3, 8), 23)
    s.add("Attention", "itself", lambda g, x: g.node("Attention", x, x, x, q_num_heads=2, kv_num_heads=2), normal(2, 3, 8), 23)
    s.add("Attention", "grouped heads", lambda g, x: g.node("Attention", x, g.const(normal(2, 5, 4, seed=1)), g.const(normal(2, 5, 4, seed=2)), q_num_heads=4, kv_num_heads=2), normal(2, 3, 8), 23)
    s.add("Attention", "past", lambda g, x: g.node("Attention", x, g.const(k), g.const(v), "", g.const(normal(2, 2, 1, 4)), g.const(normal(2, 2, 1, 6)), outputs=3), q, 23)
    s.add("RotaryEmbedding", "", lambda g, x: g.node("RotaryEmbedding", x, g.const(normal(2, 3, 2)), g.const(normal(2, 3, 2, seed=1))), normal(2, 2, 3, 4), 23)
    s.add("RotaryEmbedding", "interleaved", lambda g, x: g.node("RotaryEmbedding", x, g.const(normal(2, 3, 2)), g.const(normal(2, 3, 2, seed=1)), interleaved=1), normal(2, 2, 3, 4), 23)


def quantised(s):
    scales, zeros = [0.1, 0.02, 0.3, 0.05], [3, 120, 0, 255]
    x = normal(3, 4, scale=5)
    for what, dtype, zero in (("uint8", np.uint8, 128), ("int8", np.int8, -3)):
        s.add("QuantizeLinear", f"{what}", lambda g, x: g.node("QuantizeLinear", x, g.const(0.05), g.const(zero, dtype)), x)
        s.add("QuantizeLinear", f"{what} opset 10", lambda g, x: g.node("QuantizeLinear", x, g.const(0.05), g.const(zero, dtype)), x, 10)
        s.add("QuantizeLinear", f"{what} odd", lambda g, x: g.node("QuantizeLinear", x, g.const(1.0), g.const(zero, dtype)), np.where(np.isnan(ODD), np.float32(0), ODD))
        s.add("QuantizeLinear", f"{what} per axis", lambda g, x: g.node("QuantizeLinear", x, g.const(scales), g.const(np.array(zeros) if dtype == np.uint8 else [1, -2, 3, 0], dtype), axis=1), x)
        s.add("QuantizeLinear", f"{what} axis 0", lambda g, x: g.node("QuantizeLinear", x, g.const(scales[:3]), g.const([1, 2, 3], dtype), axis=0), x)
        s.add("DequantizeLinear", f"{what}", lambda g, x: g.node("DequantizeLinear", g.node("QuantizeLinear", x, g.const(0.05), g.const(zero, dtype)), g.const(0.05), g.const(zero, dtype)), x)
        s.add("DequantizeLinear", f"{what} no zero point", lambda g, x: g.node("DequantizeLinear", g.cast(x, U8 if dtype == np.uint8 else I8), g.const(0.05)), whole(3, 4, low=0))
        s.add("DequantizeLinear", f"{what} weights", lambda g, x: g.node("MatMul", x, g.node("DequantizeLinear", g.const(whole(4, 2, low=0), dtype), g.const(0.05))), x)
        s.add("DequantizeLinear", f"{what} weights per axis", lambda g, x: g.node("MatMul", x, g.node("DequantizeLinear", g.const(whole(4, 2, low=0), dtype), g.const([0.05, 0.2]), g.const([1, 2], dtype), axis=1)), x)
        s.add("DequantizeLinear", f"{what} weights per axis, no zero point", lambda g, x: g.node("MatMul", x, g.node("DequantizeLinear", g.const(whole(4, 2, low=0), dtype), g.const([0.05, 0.2, 0.1, 0.4]), axis=0)), x)
    s.add("QuantizeLinear", "no zero point", lambda g, x: g.node("QuantizeLinear", x, g.const(0.05)), x)
    s.add("QuantizeLinear", "no zero point per axis", lambda g, x: g.node("QuantizeLinear", x, g.const(scales)), x)
    s.add("QuantizeLinear", "output_dtype", lambda g, x: g.node("QuantizeLinear", x, g.const(0.05), output_dtype=I8), x, 21)
    s.add("QuantizeLinear", "ties", lambda g, x: g.node("QuantizeLinear", x, g.const(1.0), g.const(1, np.uint8)), [[0.5, 1.5, 2.5, 3.5, -0.5]])
    s.add("QuantizeLinear", "scale whose inverse is not exact", lambda g, x: g.node("QuantizeLinear", x, g.const(0.3), g.const(9, np.uint8)), np.arange(-40, 40).reshape(2, 40) * np.float32(0.15))
    s.add("QuantizeLinear", "NaN", lambda g, x: g.node("QuantizeLinear", x, g.const(1.0), g.const(3, np.uint8)), ODD)
    s.add("DequantizeLinear", "int32", lambda g, x: g.node("DequantizeLinear", g.cast(x, I32), g.const(0.05)), whole(3, 4))
    s.add("QDQ", "round trip without zero point", lambda g, x: g.node("DequantizeLinear", g.node("QuantizeLinear", x, g.const(0.05)), g.const(0.05)), x)
    s.add("QDQ", "half scale", lambda g, x: g.node("DequantizeLinear", g.cast(x, U8), g.const(0.05, np.float16)), whole(3, 4, low=0), 21)
    s.add("DynamicQuantizeLinear", "", lambda g, x: g.node("DynamicQuantizeLinear", x, outputs=3), normal(3, 40))
    s.add("DynamicQuantizeLinear", "positive", lambda g, x: g.node("DynamicQuantizeLinear", x, outputs=3), np.abs(normal(3, 40)) + 1)
    s.add("DynamicQuantizeLinear", "negative", lambda g, x: g.node("DynamicQuantizeLinear", x, outputs=3), -np.abs(normal(3, 40)) - 1)
    s.add("DynamicQuantizeLinear", "zeros", lambda g, x: g.node("DynamicQuantizeLinear", x, outputs=3), np.zeros([2, 3]))
    for what, zero_a, zero_b, dtype in (("plain", None, None, np.uint8), ("zero of a", 7, None, np.uint8), ("both", 7, 9, np.uint8), ("signed b", 7, -9, np.int8), ("per column", 7, [1, 2], np.uint8)):
        def build(g, x):
            zeros = [] if zero_a is None else [g.const(zero_a, np.uint8)]
            zeros += [] if zero_b is None else [g.const(zero_b, dtype)]
            return g.node("MatMulInteger", g.cast(x, U8), g.const(whole(4, 2, low=0, high=100), dtype), *zeros)
        s.add("MatMulInteger", what, build, whole(3, 4, low=0, high=255))
    big = np.random.default_rng(5)
    for rows, depth, columns in ((1, 200, 10), (7, 129, 65), (64, 513, 33)):
        for a, b, zero_a, zero_b in ((U8, np.uint8, 130, 120), (U8, np.int8, 3, 0), (U8, np.int8, 200, -7), (I8, np.int8, -3, 5), (U8, np.uint8, None, None), (U8, np.int8, 9, list(range(columns)))):
            low = -128 if a == I8 else 0
            w = big.integers(-128 if b == np.int8 else 0, 128 if b == np.int8 else 256, [depth, columns])
            def build(g, x):
                zeros = [] if zero_a is None else [g.const(zero_a, np.int8 if a == I8 else np.uint8), g.const(zero_b, b)]
                return g.node("MatMulInteger", g.cast(x, a), g.const(w, b), *zeros)
            s.add("MatMulInteger", f"{rows} x {depth} x {columns} types {a} {b.__name__} zero points {zero_a} {zero_b if np.isscalar(zero_b) else 'of columns'}", build, whole(rows, depth, low=low, high=low + 256))
    for rows, depth, columns in ((1, 200, 10), (65, 257, 129)):
        s.add("MatMul", f"{rows} x {depth} x {columns}", lambda g, x: g.node("MatMul", x, g.const(normal(depth, columns, seed=8, scale=0.1))), normal(rows, depth))
    s.add("Conv", "64 channels", lambda g, x: g.node("Conv", x, g.const(normal(48, 64, 3, 3, seed=8, scale=0.05)), pads=[1, 1, 1, 1]), normal(1, 64, 20, 24))
    s.add("LSTM", "64 units", lambda g, x: g.node("LSTM", x, g.const(normal(1, 256, 32, seed=1, scale=0.2)), g.const(normal(1, 256, 64, seed=2, scale=0.2)), hidden_size=64, outputs=3), normal(20, 2, 32))
    s.add("MatMulInteger", "signed a", lambda g, x: g.node("MatMulInteger", g.cast(x, I8), g.const(whole(4, 2, low=0), np.int8)), whole(3, 4))

    def dynamic(g, x):
        y, scale, zero = g.node("DynamicQuantizeLinear", x, outputs=3)
        product = g.cast(g.node("MatMulInteger", y, g.const(whole(4, 2, low=-100, high=100), np.int8), zero, g.const(0, np.int8)), 1)
        return g.node("Mul", product, g.node("Mul", scale, g.const(0.01)))
    s.add("DynamicQuantizeLinear", "layer", dynamic, normal(3, 4))
    s.add("QLinearMatMul", "", lambda g, x: g.node("QLinearMatMul", g.cast(x, U8), g.const(0.1), g.const(3, np.uint8), g.const(whole(4, 2, low=0), np.uint8), g.const(0.2), g.const(1, np.uint8), g.const(0.5), g.const(5, np.uint8)), whole(3, 4, low=0))
    s.add("QLinearConv", "", lambda g, x: g.node("QLinearConv", g.cast(x, U8), g.const(0.1), g.const(3, np.uint8), g.const(whole(2, 1, 3, low=0), np.uint8), g.const(0.2), g.const(1, np.uint8), g.const(0.5), g.const(5, np.uint8)), whole(2, 1, 7, low=0))


def add_to(s):
    convolutions(s)
    pools(s)
    products(s)
    normalisations(s)
    recurrent(s)
    attention(s)
    quantised(s)
    fused.add_to(s)
