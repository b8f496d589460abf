"""Operators with drawn attributes, sizes and values, within what the standard allows: what nobody would think of.

What onnxruntime gives for NaN in maxima and in `Hardmax` depends on the order of evaluation, so they get none here; where
a variance is next to nothing, its instance normalisation is inexact, so that values differ enough.
"""

import random

import numpy as np

from suite import F32, I64, INF, NAN, normal, whole


class Draw(random.Random):
    """Random numbers; `n` makes the names and the values of a case its own."""

    n = 0

    def __call__(self, probability):
        return self.random() < probability

    def sizes(self, count, low, high):
        return [self.randint(low, high) for _ in range(count)]

    def axis(self, rank):
        return self.randint(-rank, rank - 1)

    def axes(self, rank, count):
        """Different ones, some counted from the end."""
        return [axis - rank if self(0.3) else axis for axis in self.sample(range(rank), count)]

    def values(self, *shape, scale=1.0, odd=()):
        """Normally distributed; sometimes one of them is odd."""
        values = normal(*shape, seed=self.randint(0, 1 << 30), scale=scale)
        if odd and self(0.2):
            values.flat[self.randint(0, values.size - 1)] = self.choice(odd)
        return values

    def integers(self, low, high, shape):
        return np.random.default_rng(self.randint(0, 1 << 30)).integers(low, high, shape)


def add(s, d, op, what, build, x, opset=17):
    s.add(op, f"drawn {d.n}, {what}, {list(x.shape)}, opset {opset}", build, x, opset)


def window(d, dims, kernel, with_dilations, largest_pad):
    """The attributes of a window."""
    settings = {"kernel_shape": kernel}
    if d(0.8):
        settings["strides"] = d.sizes(dims, 1, 3)
    if d(0.4):
        settings["auto_pad"] = d.choice(["SAME_UPPER", "SAME_LOWER", "VALID"])
    elif d(0.7):
        settings["pads"] = d.sizes(2 * dims, 0, largest_pad)
    if with_dilations and "SAME" not in settings.get("auto_pad", "") and d(0.4):
        settings["dilations"] = d.sizes(dims, 1, 2)
    return settings


def conv(s, d):
    dims, groups = d.choice([1, 2, 2]), d.choice([1, 1, 2, 3])
    inputs, outputs, kernel = groups * d.randint(1, 3), groups * d.randint(1, 4), d.sizes(dims, 1, 4)
    settings = window(d, dims, kernel, True, 2) | {"group": groups}
    if d(0.5):
        del settings["kernel_shape"]
    weights, bias = d.values(outputs, inputs // groups, *kernel), d.values(outputs)
    with_bias = d(0.5)
    build = lambda g, x: g.node("Conv", x, g.const(weights), *([g.const(bias)] if with_bias else []), **settings)
    add(s, d, "Conv", f"{settings} {kernel}", build, d.values(d.randint(1, 3), inputs, *d.sizes(dims, 3, 9)), d.choice([11, 17, 21]))


def transposed(s, d):
    dims, groups = d.choice([1, 2]), d.choice([1, 1, 2])
    inputs, outputs, kernel = groups * d.randint(1, 3), groups * d.randint(1, 4), d.sizes(dims, 1, 4)
    settings = window(d, dims, kernel, True, 1) | {"group": groups}
    if d(0.3) and "strides" in settings:
        settings["output_padding"] = [d.randint(0, stride - 1) for stride in settings["strides"]]
    weights, bias = d.values(inputs, outputs // groups, *kernel), d.values(outputs)
    with_bias = d(0.5)
    build = lambda g, x: g.node("ConvTranspose", x, g.const(weights), *([g.const(bias)] if with_bias else []), **settings)
    add(s, d, "ConvTranspose", settings, build, d.values(d.randint(1, 2), inputs, *d.sizes(dims, 2, 6)))


def pool(s, d):
    op, dims = d.choice(["MaxPool", "AveragePool"]), d.choice([1, 2, 2])
    kernel = d.sizes(dims, 1, 4)
    settings = window(d, dims, kernel, False, max(0, min(kernel) - 1))
    if d(0.4):
        settings["ceil_mode"] = d.randint(0, 1)
    if op == "AveragePool" and d(0.4):
        settings["count_include_pad"] = d.randint(0, 1)
    x = d.values(d.randint(1, 2), d.randint(1, 3), *d.sizes(dims, 3, 9))
    add(s, d, op, settings, lambda g, x: g.node(op, x, **settings), x, d.choice([11, 12, 17, 19, 22]))


def softmax(s, d):
    op, rank, opset = d.choice(["Softmax", "LogSoftmax", "Hardmax"]), d.randint(1, 4), d.choice([7, 11, 12, 13, 17])
    settings = {"axis": d.randint(-rank if opset >= 11 else 0, rank - 1)} if d(0.7) else {}
    odd = () if op == "Hardmax" else (NAN, INF, -INF)
    x = d.values(*d.sizes(rank, 1, 5), scale=d.choice([1, 10, 50]), odd=odd)
    add(s, d, op, settings, lambda g, x: g.node(op, x, **settings), x, opset)


def reduction(s, d):
    names = ["Sum", "Mean", "Max", "Min", "L1", "L2", "Prod", "SumSquare", "LogSum", "LogSumExp"]
    op, rank, opset = f"Reduce{d.choice(names)}", d.randint(1, 4), d.choice([11, 13, 17, 18, 20])
    by_input = opset >= 18 or op == "ReduceSum" and opset >= 13
    settings = {"keepdims": d.randint(0, 1)} if d(0.6) else {}
    axes = d.axes(rank, d.randint(0 if by_input else 1, rank)) if d(0.75) else None
    if by_input and d(0.4):
        settings["noop_with_empty_axes"] = d.randint(0, 1)
    if axes is not None and not by_input:
        settings["axes"] = axes
    x = d.values(*d.sizes(rank, 1, 4), odd=() if op in ("ReduceMax", "ReduceMin") else (NAN, INF))
    x = np.abs(x) if op == "ReduceLogSum" else x
    build = lambda g, x: g.node(op, x, *([g.ints(*axes)] if by_input and axes is not None else []), **settings)
    add(s, d, op, f"{settings} {axes}", build, x, opset)


def largest(s, d):
    rank = d.randint(1, 3)
    shape = d.sizes(rank, 1, 4)
    x = whole(*shape, low=0, high=3, seed=d.n)
    if d(0.5):
        op, settings = d.choice(["ArgMax", "ArgMin"]), {"axis": d.axis(rank), "keepdims": d.randint(0, 1), "select_last_index": d.randint(0, 1)}
        build = lambda g, x: g.node(op, x, **settings)
    else:
        op, settings = "TopK", {"axis": d.axis(rank), "largest": d.randint(0, 1)}
        count = d.randint(1, shape[settings["axis"]])
        build = lambda g, x: g.node(op, x, g.ints(count), outputs=2, **settings)
    add(s, d, op, settings, build, x)


def pad(s, d):
    rank, opset = d.randint(1, 4), d.choice([11, 13, 18, 19, 21])
    shape = d.sizes(rank, 2, 5)
    mode = d.choice(["constant", "constant", "reflect", "edge"] + (["wrap"] if opset >= 19 else []))
    axes = d.axes(rank, d.randint(1, rank)) if opset >= 18 and d(0.5) else None
    pads = d.sizes(2 * (rank if axes is None else len(axes)), d.choice([0, 0, -1]), min(shape) - 1)
    value = d.choice([None, 0.5]) if mode == "constant" else None
    def build(g, x):
        inputs = [x, g.ints(*pads), "" if value is None else g.const(value), *([] if axes is None else [g.ints(*axes)])]
        return g.node("Pad", *(inputs if inputs[-1] else inputs[:2]), mode=mode)
    add(s, d, "Pad", f"{mode} {pads} {axes} {value}", build, d.values(*shape), opset)


def cut(s, d):
    rank = d.randint(1, 4)
    shape = d.sizes(rank, 1, 6)
    count = d.randint(1, rank)
    axes = d.axes(rank, count)
    starts = d.sizes(count, -8, 8)
    ends = [d.choice([d.randint(-8, 8), 2**63 - 1, -(2**63), 2**31 - 1]) for _ in axes]
    steps = [d.choice([1, 1, 2, 3, -1, -2]) for _ in axes] if d(0.7) else None
    without_axes = d(0.2)
    def build(g, x):
        inputs = [x, g.ints(*starts), g.ints(*ends), "" if without_axes else g.ints(*axes), "" if steps is None else g.ints(*steps)]
        while not inputs[-1]:
            inputs.pop()
        return g.node("Slice", *inputs)
    add(s, d, "Slice", f"{starts} {ends} {None if without_axes else axes} {steps}", build, d.values(*shape), d.choice([10, 11, 13, 17]))


def gather(s, d):
    op, rank, opset = d.choice(["Gather", "GatherElements", "GatherND"]), d.randint(1, 3), d.choice([11, 13, 17])
    shape = d.sizes(rank, 2, 4)
    axis, settings = d.axis(rank), {}
    if op == "Gather":
        settings = {"axis": axis} if d(0.8) else {}
        size = shape[settings.get("axis", 0)]
        places = d.integers(-size, size, d.sizes(d.randint(0, 2), 1, 3))
    elif op == "GatherElements":
        settings, wanted = {"axis": axis}, list(shape)
        wanted[axis] = d.randint(1, 4)
        places = d.integers(-shape[axis], shape[axis], wanted)
    else:
        places = np.stack([d.integers(-size, size, [2, 3]) for size in shape[: d.randint(1, rank)]], -1)
    kind = d.choice([np.int32, np.int64]) if op == "Gather" else np.int64
    add(s, d, op, f"{settings} {places.tolist()}", lambda g, x: g.node(op, x, g.const(places, kind), **settings), d.values(*shape), opset)


def scatter(s, d):
    op, rank, opset = d.choice(["ScatterElements", "ScatterND"]), d.randint(1, 3), d.choice([11, 13, 16, 18])
    shape, axis = d.sizes(rank, 2, 4), d.axis(rank)
    reductions = ["none"] + (["add", "mul"] if opset >= 16 else []) + (["max", "min"] if opset >= 18 else [])
    reduction = d.choice(reductions)
    settings = {"reduction": reduction} if opset >= 16 and (reduction != "none" or d(0.5)) else {}
    if op == "ScatterElements":
        settings["axis"] = axis
        # Without a reduction, each place is written once.
        places = d.integers(-shape[axis], shape[axis], shape) if reduction != "none" else np.argsort(d.values(*shape), axis)
        updates = d.values(*shape)
    else:
        depth = d.randint(1, rank)
        places = np.stack([d.integers(-size, size, [3]) for size in shape[:depth]], -1)[: 1 if reduction == "none" else 3]
        updates = d.values(len(places), *shape[depth:])
    build = lambda g, x: g.node(op, x, g.const(places, np.int64), g.const(updates), **settings)
    add(s, d, op, f"{settings} {places.tolist()}", build, d.values(*shape), opset)


def product(s, d):
    op = d.choice(["MatMul", "Gemm", "Einsum"])
    m, k, n = d.sizes(3, 1, 5)
    if op == "MatMul":
        first, second = d.sizes(d.randint(0, 2), 1, 1) + [m, k], d.sizes(d.randint(0, 2), 1, 2) + [k, n]
        first, second = [k] if d(0.15) else first, [k] if d(0.15) else second
        weights = d.values(*second)
        add(s, d, op, second, lambda g, x: g.node(op, x, g.const(weights)), d.values(*first))
    elif op == "Gemm":
        settings = {"transA": d.randint(0, 1), "transB": d.randint(0, 1), "alpha": d.choice([1.0, 0.5]), "beta": d.choice([1.0, 0.0, 2.0])}
        bias = d.choice([None, [n], [1, n], [m, 1], [m, n], [1], []])
        weights = d.values(*([n, k] if settings["transB"] else [k, n]))
        values = None if bias is None else d.values(*bias)
        build = lambda g, x: g.node(op, x, g.const(weights), *([] if bias is None else [g.const(values)]), **settings)
        add(s, d, op, f"{settings} {bias}", build, d.values(*([k, m] if settings["transA"] else [m, k])), d.choice([11, 13]))
    else:
        equations = ["ij,jk->ik", "bij,bjk->bik", "ij->ji", "ii->i", "ij->i", "ij->", "bhwc,hkc->bhwk", "i,j->ij", "...ij,...jk->...ik", "ij,ij->", "bij,bkj->bik", "ij,kj", "bqhd,bkhd->bhqk", "bhqk,bkhd->bqhd", "abc->cba", "ab,cb,ad->cd", "ab,a->b", "...i,i->...", "bi,bj->bij"]
        equation = d.choice(equations)
        sizes, leading = {letter: d.randint(1, 4) for letter in "abcdhijkwq"}, d.sizes(d.randint(0, 2), 1, 2)
        shapes = [(leading if "..." in term else []) + [sizes[letter] for letter in term.replace("...", "")] for term in equation.split("->")[0].split(",")]
        others = [d.values(*shape) for shape in shapes[1:]]
        add(s, d, op, f"{equation} {shapes}", lambda g, x: g.node(op, x, *map(g.const, others), equation=equation), d.values(*shapes[0]))


def normalisation(s, d):
    op, rank = d.choice(["LayerNormalization", "RMSNormalization", "BatchNormalization", "InstanceNormalization", "GroupNormalization", "LpNormalization"]), d.randint(2, 4)
    shape, opset, settings, weights = d.sizes(rank, 2, 4), 17, {}, []
    epsilon = {"epsilon": 0.01} if d(0.5) else {}
    if op in ("LayerNormalization", "RMSNormalization"):
        opset = 17 if op[0] == "L" else 23
        settings = epsilon | {"axis": d.axis(rank)}
        tail = shape[-1:] if d(0.3) else shape[settings["axis"] % rank :]
        weights = [d.values(*tail) for _ in range(d.randint(1, 2) if op[0] == "L" else 1)]
    elif op == "BatchNormalization":
        opset, settings = d.choice([9, 14, 15, 17]), epsilon
        weights = [d.values(shape[1]) for _ in range(3)] + [np.abs(d.values(shape[1]))]
    elif op == "InstanceNormalization":
        shape, settings = shape[:2] + [7] * d.randint(1, 2), epsilon
        weights = [d.values(shape[1]) for _ in range(2)]
    elif op == "GroupNormalization":
        groups, opset = d.randint(1, 3), d.choice([18, 21])
        shape, settings = [d.randint(1, 2), groups * d.randint(1, 2)] + [7] * d.randint(1, 2), epsilon | {"num_groups": groups}
        weights = [d.values(groups if opset == 18 else shape[1]) for _ in range(2)]
    else:
        settings = {"axis": d.axis(rank), "p": d.randint(1, 2)}
    add(s, d, op, settings, lambda g, x: g.node(op, x, *map(g.const, weights), **settings), d.values(*shape), opset)


def recurrent(s, d):
    op = d.choice(["LSTM", "GRU"])
    steps, batch, inputs, hidden = d.randint(1, 6), d.randint(1, 3), d.randint(1, 4), d.randint(1, 4)
    direction = d.choice(["forward", "reverse", "bidirectional"])
    directions, gates = 2 if direction == "bidirectional" else 1, 4 if op == "LSTM" else 3
    settings = {"hidden_size": hidden, "direction": direction} | ({"linear_before_reset": 1} if op == "GRU" else {})
    parts = [d.values(directions, gates * hidden, inputs, scale=0.5), d.values(directions, gates * hidden, hidden, scale=0.5)]
    parts.append(d.values(directions, 2 * gates * hidden) if d(0.7) else None)
    parts.append(np.full(batch, d.randint(1, steps), np.int32) if d(0.3) else None)
    parts += [d.values(directions, batch, hidden) if d(0.4) else None for _ in range(2 if op == "LSTM" else 1)]
    while parts[-1] is None:
        parts.pop()
    def build(g, x):
        names = ["" if part is None else g.const(part, part.dtype) for part in parts]
        return g.node(op, x, *names, outputs=3 if op == "LSTM" else 2, **settings)
    what = [None if part is None else part.shape for part in parts]
    add(s, d, op, f"{settings} {what}", build, d.values(steps, batch, inputs), d.choice([14, 17]))


def quantised(s, d):
    kind, rank = d.choice([np.int8, np.uint8]), d.randint(1, 3)
    if d(0.5):
        shape, axis, by_axis, with_zero = d.sizes(rank, 1, 4), d.axis(rank), d(0.5), d(0.7)
        scales = np.abs(d.values(shape[axis] if by_axis else 1)) * 0.1 + 0.01
        scales = scales if by_axis else scales.reshape(())
        zeros = d.integers(0, 20, scales.shape)
        settings = {"axis": axis} if by_axis else {}
        def build(g, x):
            rest = [g.const(scales)] + ([g.const(zeros, kind)] if with_zero else [])
            return g.node("DequantizeLinear", g.node("QuantizeLinear", x, *rest, **settings), *rest, **settings)
        opset = d.choice([13, 19, 21])
        add(s, d, "QuantizeLinear", f"{kind.__name__} {settings} {with_zero}", build, d.values(*shape, scale=3), opset)
        return
    m, k, n = d.sizes(3, 1, 6)
    weights = d.integers(-100 if kind == np.int8 else 0, 100, (k, n))
    zero = d.choice([None, [], [n]])
    def build(g, x):
        bytes, scale, least = g.node("DynamicQuantizeLinear", x, outputs=3)
        rest = [] if zero is None else [g.const(np.full(zero, 3), kind)]
        return g.node("Mul", g.cast(g.node("MatMulInteger", bytes, g.const(weights, kind), least, *rest), F32), scale)
    add(s, d, "MatMulInteger", f"{kind.__name__} {n} {zero}", build, d.values(*d.sizes(d.randint(0, 1), 1, 2), m, k))


def resize(s, d):
    dims = d.randint(1, 2)
    shape = d.sizes(2, 1, 2) + d.sizes(dims, 2, 5)
    settings = {"mode": d.choice(["nearest", "linear"]), "coordinate_transformation_mode": d.choice(["half_pixel", "asymmetric", "align_corners"])}
    if settings["mode"] == "nearest":
        settings["nearest_mode"] = d.choice(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
    sizes, scales = shape[:2] + d.sizes(dims, 1, 9), [1.0, 1.0] + [d.choice([0.5, 1.0, 2.0, 1.5, 3.0]) for _ in range(dims)]
    by_sizes = d(0.5)
    build = lambda g, x: g.node("Resize", x, "", *(["", g.ints(*sizes)] if by_sizes else [g.const(scales)]), **settings)
    add(s, d, "Resize", f"{settings} {sizes if by_sizes else scales}", build, d.values(*shape), d.choice([13, 18, 19]))


def moved(s, d):
    op, rank, opset = d.choice(["Transpose", "Squeeze", "Unsqueeze", "Flatten", "Expand", "Tile", "Split", "Concat", "CumSum", "OneHot", "Trilu", "ReverseSequence", "Shape"]), d.randint(1, 4), 17
    shape = d.sizes(rank, 1, 4)
    x, axis, settings, inputs, outputs = d.values(*shape), d.axis(rank), {}, [], 1
    if op == "Transpose":
        settings = {"perm": d.sample(range(rank), rank)} if d(0.8) else {}
    elif op == "Squeeze":
        ones = [place - d.choice([0, rank]) for place, size in enumerate(shape) if size == 1]
        inputs = [ones] if ones and d(0.7) else []
    elif op == "Unsqueeze":
        count = d.randint(1, 2)
        inputs = [d.axes(rank + count, count)]
    elif op == "Flatten":
        settings = {"axis": d.randint(-rank, rank)}
    elif op == "Expand":
        inputs = [d.sizes(d.randint(0, 2), 1, 3) + [d.choice([1, size]) if size != 1 else d.randint(1, 3) for size in shape]]
    elif op == "Tile":
        inputs = [d.sizes(rank, 1, 3)]
    elif op == "Split":
        first, second = sorted(d.sizes(2, 0, shape[axis]))
        settings, inputs, outputs = {"axis": axis}, [[first, second - first, shape[axis] - second]], 3
    elif op == "CumSum":
        settings, inputs = {"exclusive": d.randint(0, 1), "reverse": d.randint(0, 1)}, [axis]
    elif op == "Trilu":
        x, settings, inputs = d.values(*d.sizes(3, 1, 4)), {"upper": d.randint(0, 1)}, [d.randint(-3, 3)]
    elif op == "ReverseSequence":
        x, batch = d.values(*d.sizes(3, 2, 4)), d.randint(0, 1)
        settings = {"batch_axis": batch, "time_axis": 1 - batch}
        inputs = [d.sizes(x.shape[batch], 1, x.shape[1 - batch])]
    elif op == "Shape":
        settings = {name: d.randint(-rank - 1, rank + 1) for name in ("start", "end") if d(0.6)}
    if op == "Concat":
        other = list(shape)
        other[axis] = d.randint(1, 3)
        values = d.values(*other)
        build = lambda g, x: g.node(op, g.const(values), x, axis=axis)
        settings = axis
    elif op == "OneHot":
        x, settings = whole(*shape, low=-3, high=3, seed=d.n), d.randint(-rank - 1, rank)
        build = lambda g, x: g.node(op, g.cast(x, I64), g.const(3, np.int64), g.const([0.5, 2.0]), axis=settings)
    else:
        build = lambda g, x: g.node(op, x, *[g.const(value, np.int64) for value in inputs], outputs=outputs, **settings)
    add(s, d, op, f"{settings} {inputs}", build, x, opset)


def elementwise(s, d):
    binary = ["Add", "Sub", "Mul", "Div", "Min", "Max", "Less", "Equal", "GreaterOrEqual", "Sum", "Mean", "PRelu"]
    alone = ["Gelu", "Elu", "Selu", "Celu", "LeakyRelu", "HardSigmoid", "HardSwish", "ThresholdedRelu", "Mish", "Softsign", "Shrink", "Round", "Sign", "IsInf", "Swish", "Erf", "Floor"]
    op, rank, opset = d.choice(binary + alone + ["Pow", "Clip", "Where"]), d.randint(1, 4), 17
    shape = d.sizes(rank, 1, 4)
    x, settings, what = d.values(*shape, scale=3, odd=(NAN, INF, -INF, 0.0, -0.0)), {}, ""
    # Fewer dimensions, or sizes of 1.
    what = [d.choice([1, size]) for size in shape][d.randint(0, rank - 1) :]
    other = d.values(*what, odd=(NAN, 0.0, INF))
    if op in binary:
        is_first = d(0.5) and op != "PRelu"
        build = lambda g, x: g.node(op, *((g.const(other), x) if is_first else (x, g.const(other))))
    elif op == "Where":
        build = lambda g, x: g.node(op, g.node("Greater", x, g.const(0.0)), g.const(other), x)
    elif op == "Pow":
        what = (d.choice([2.0, 3.0, 0.5, -1.0, 0.0, 1.0]), d.choice([np.float32, np.int64, np.int32]))
        build = lambda g, x: g.node(op, x, g.const(*what))
    elif op == "Clip":
        what = (d.choice([None, -1.0]), d.choice([None, 1.0, -2.0]))
        bounds = lambda g: ["" if bound is None else g.const(bound) for bound in what]
        build = lambda g, x: g.node(op, x, *bounds(g)[: 2 if what[1] is not None else 1])
    else:
        opset = {"Gelu": 20, "Swish": 24, "Mish": 18}.get(op, 17)
        if op in ("Elu", "Celu", "LeakyRelu", "ThresholdedRelu", "Swish", "HardSigmoid", "Selu") and d(0.6):
            settings["alpha"] = d.choice([0.1, 0.5, 1.5])
        if op == "Shrink":
            settings = {"bias": 0.3, "lambd": 0.7}
        elif op == "Gelu":
            settings = {"approximate": d.choice(["none", "tanh"])}
        elif op == "IsInf" and d(0.5):
            settings = d.choice([{"detect_negative": 0}, {"detect_positive": 0}])
        build, what = lambda g, x: g.node(op, x, **settings), settings
    add(s, d, op, what, build, x, opset)


KINDS = [conv, transposed, pool, softmax, reduction, largest, pad, cut, gather, scatter, product, product, normalisation, recurrent, quantised, resize, moved, moved, elementwise, elementwise]


def add_to(suite, seed, count):
    d = Draw(seed)
    for d.n in range(count):
        d.choice(KINDS)(suite, d)
