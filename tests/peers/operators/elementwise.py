"""Operators that compute each value by itself, and conversions of types."""

import numpy as np
from suite import BOOL, F16, F32, F64, I8, I32, I64, INF, NAN, ODD, U8, normal, whole

UNARY = [
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Celu", "Cos", "Cosh", "Elu", "Erf", "Exp",
    "Floor", "HardSigmoid", "HardSwish", "Identity", "IsInf", "IsNaN", "LeakyRelu", "Log", "Mish", "Neg", "Reciprocal",
    "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Tan", "Tanh",
    "ThresholdedRelu",
]  # fmt: skip
UNARY_SETTINGS = {
    "Celu": {"alpha": 2.0},
    "Elu": {"alpha": 0.5},
    "HardSigmoid": {"alpha": 0.3, "beta": 0.4},
    "IsInf": {"detect_negative": 0},
    "LeakyRelu": {"alpha": 0.3},
    "Selu": {"alpha": 1.5, "gamma": 1.2},
    "Shrink": {"lambd": 0.7, "bias": 0.2},
    "ThresholdedRelu": {"alpha": 0.3},
}


def unary(s):
    for op in UNARY:
        opset = 18 if op == "Mish" else 20 if op in ("IsInf", "IsNaN") else 17
        x = ODD
        if op in ("Sin", "Cos", "Tan"):
            # Range reduction of huge arguments is nobody's business.
            x = np.where(np.abs(ODD) > 1e3, np.float32(7.0), ODD)
        s.add(op, "odd", lambda g, x, op=op: g.node(op, x), x, opset)
        s.add(op, "normal", lambda g, x, op=op: g.node(op, x), normal(3, 40, scale=3), opset)
    for op, settings in UNARY_SETTINGS.items():
        s.add(op, "set", lambda g, x: g.node(op, x, **settings), ODD, 20 if op == "IsInf" else 17)
    s.add("IsInf", "negative only", lambda g, x: g.node("IsInf", x, detect_positive=0), ODD, 20)
    for approximate in ("none", "tanh"):
        for what, x in (("odd", ODD), ("normal", normal(3, 40, scale=3))):
            s.add("Gelu", f"{approximate} {what}", lambda g, x: g.node("Gelu", x, approximate=approximate), x, 20)
    for alpha in (None, 0.5):
        for what, x in (("odd", ODD), ("normal", normal(3, 40, scale=3))):
            settings = {} if alpha is None else {"alpha": alpha}
            s.add("Swish", f"{alpha} {what}", lambda g, x: g.node("Swish", x, **settings), x, 24)
    for op in ("Abs", "Neg", "Sign"):
        for kind in (I32, I64):
            s.add(op, f"type {kind}", lambda g, x: g.node(op, g.cast(x, kind)), whole(3, 4))
    s.add("Sign", "zero", lambda g, x: g.node("Sign", x), [[0.0, -0.0, 1.0, NAN]])
    s.add("Relu", "integers", lambda g, x: g.node("Relu", g.cast(x, I32)), whole(3, 4))
    s.add("Not", "", lambda g, x: g.node("Not", g.node("Greater", x, g.const(0))), ODD)
    s.add("Neg", "half", lambda g, x: g.node("Neg", g.cast(x, F16)), whole(3, 4))
    s.add("Exp", "double", lambda g, x: g.node("Exp", g.cast(x, F64)), normal(3, 4))


def clip(s):
    for what, low, high in (("both", -1, 2), ("low", 0.5, None), ("high", None, 1.5), ("none", None, None), ("crossed", 2, -2)):
        def inputs(g, x):
            return g.node("Clip", x, *[g.const(v) if v is not None else "" for v in (low, high)])
        s.add("Clip", what, inputs, ODD)
        settings = {name: float(value) for name, value in (("min", low), ("max", high)) if value is not None}
        s.add("Clip", f"{what} opset 10", lambda g, x: g.node("Clip", x, **settings), ODD, 10)
    s.add("Clip", "relu6", lambda g, x: g.node("Clip", x, g.const(0), g.const(6)), ODD)
    s.add("Clip", "to NaN", lambda g, x: g.node("Clip", x, g.const(NAN), g.const(6)), ODD)
    s.add("Clip", "integers", lambda g, x: g.node("Clip", g.cast(x, I64), g.const(-2, np.int64), g.const(3, np.int64)), whole(3, 4))
    s.add("Clip", "integers one side", lambda g, x: g.node("Clip", g.cast(x, I32), g.const(-2, np.int32)), whole(3, 4))
    s.add("Clip", "bound at run time", lambda g, x: g.node("Clip", x, g.node("ReduceMin", g.const([-1, 2]), keepdims=0)), ODD)


def binary(s):
    other = np.roll(ODD, 3)
    for op in ("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Less", "Greater", "LessOrEqual", "GreaterOrEqual", "Equal", "Mean", "Sum", "PRelu"):
        s.add(op, "odd", lambda g, x: g.node(op, x, g.const(other)), ODD)
        for what, shape in (("scalar", []), ("one", [1]), ("last", [5]), ("middle", [4, 1]), ("first", [3, 1, 1]), ("mixed", [3, 1, 5])):
            c = np.abs(normal(*shape, seed=1)) + np.float32(0.5)
            s.add(op, f"by {what}", lambda g, x: g.node(op, x, g.const(c)), np.abs(normal(3, 4, 5)))
        if op != "PRelu":
            s.add(op, "widens", lambda g, x: g.node(op, x, g.const(normal(2, 3, 1, 5, seed=1))), np.abs(normal(3, 4, 5)))
            s.add(op, "constant first", lambda g, x: g.node(op, g.const(normal(4, 5, seed=1)), x), np.abs(normal(3, 4, 5)))
    for op in ("Add", "Sub", "Mul", "Div", "Less", "Greater", "LessOrEqual", "GreaterOrEqual", "Equal", "Max", "Min"):
        for kind, dtype in ((I32, np.int32), (I64, np.int64)):
            s.add(op, f"type {kind}", lambda g, x: g.node(op, g.cast(x, kind), g.const([3, -2, 1, 4], dtype)), whole(3, 4, low=-9, high=10))
    for op in ("And", "Or", "Xor"):
        s.add(op, "", lambda g, x: g.node(op, g.cast(x, BOOL), g.const([True, False, True, False], bool)), whole(3, 4, low=0, high=3))
    s.add("Equal", "booleans", lambda g, x: g.node("Equal", g.cast(x, BOOL), g.const([True, False, True, False], bool)), whole(3, 4, low=0, high=3))
    for op in ("Max", "Min", "Sum", "Mean"):
        s.add(op, "three", lambda g, x: g.node(op, x, g.const(other), g.const(1)), ODD)
        s.add(op, "one input", lambda g, x: g.node(op, x), ODD)
        s.add(op, "NaN", lambda g, x: g.node(op, x, g.const(NAN)), ODD)
    s.add("Div", "by 0", lambda g, x: g.node("Div", x, g.const(0)), ODD)
    s.add("Div", "by a denormal", lambda g, x: g.node("Div", x, g.const(1e-40)), ODD)
    s.add("Div", "by much", lambda g, x: g.node("Div", x, g.const(1e38)), ODD)
    for what, divisor in (("3", 3), ("49", 49), ("list", [3, 49, 7, 10]), ("lists in a list", [[3], [49], [7]])):
        s.add("Div", f"then Floor, by {what}", lambda g, x: g.node("Floor", g.node("Div", x, g.const(divisor))), whole(3, 4, low=0, high=20) * np.float32(49))
    s.add("Div", "then Floor, by the largest", lambda g, x: g.node("Floor", g.node("Div", x, g.node("ReduceMax", x, keepdims=0))), np.full([3, 4], 49))
    s.add("Div", "then Floor, by the largest that keeps its axes", lambda g, x: g.node("Floor", g.node("Div", x, g.node("ReduceMax", x))), np.full([3, 4], 49))
    s.add("Div", "negative integers", lambda g, x: g.node("Div", g.cast(x, I64), g.const(2, np.int64)), whole(3, 4))
    for fmod in (0, 1):
        for kind, dtype in ((I32, np.int32), (I64, np.int64)):
            s.add("Mod", f"fmod {fmod} type {kind}", lambda g, x: g.node("Mod", g.cast(x, kind), g.const([3, -3, 4, 5], dtype), fmod=fmod), whole(3, 4, low=-9, high=10))
    s.add("Mod", "floats", lambda g, x: g.node("Mod", x, g.const([1.5, -1.5, 2, 0.7]), fmod=1), normal(3, 4, scale=5))
    for what, exponent, dtype in (("2", 2, np.int64), ("3", 3, np.int32), ("-2", -2, np.int64), ("0", 0, np.int32), ("list", [1, 2, 3, 4], np.int64)):
        s.add("Pow", f"integer exponent {what}", lambda g, x: g.node("Pow", x, g.const(exponent, dtype)), normal(3, 4))
    for what, exponent in (("0.5", 0.5), ("2", 2), ("3", 3), ("-1", -1), ("0", 0), ("4", 4)):
        s.add("Pow", f"odd to {what}", lambda g, x: g.node("Pow", x, g.const(exponent)), ODD)
    s.add("Pow", "integers", lambda g, x: g.node("Pow", g.cast(x, I64), g.const([0, 1, 2, 3], np.int64)), whole(3, 4))
    s.add("Pow", "integer base, float exponent", lambda g, x: g.node("Pow", g.cast(x, I32), g.const(2.0)), whole(3, 4))
    s.add("Pow", "integer exponent at run time", lambda g, x: g.node("Pow", x, g.cast(x, I64)), np.abs(whole(3, 4)) + 1)
    s.add("Pow", "opset 7", lambda g, x: g.node("Pow", x, g.const(2)), normal(3, 4), 7)
    for what, condition in (("", [[True], [False], [True]]), ("scalar", False)):
        s.add("Where", what, lambda g, x: g.node("Where", g.const(condition, bool), x, g.const([9, 8, NAN, 6])), normal(3, 4))
    s.add("Where", "of NaN", lambda g, x: g.node("Where", g.node("IsNaN", x), g.const(0), x), ODD)
    s.add("Where", "integers", lambda g, x: g.node("Where", g.node("Greater", x, g.const(0)), g.cast(x, I64), g.const(7, np.int64)), whole(3, 4))
    for opset in (7, 9, 13):
        s.add("PRelu", f"channels opset {opset}", lambda g, x: g.node("PRelu", x, g.const(normal(4, 1, seed=2))), normal(2, 4, 5), opset)
    s.add("BitShift", "", lambda g, x: g.node("BitShift", g.cast(x, U8), g.const(1, np.uint8), direction="LEFT"), whole(3, 4, low=0))


def casts(s):
    values = np.array([[0, -0.0, 0.4, -0.4, 0.5, 1, -1, 1.7], [-1.7, 2, 100.9, -100.9, 127, -128, 254.6, 1e-40]], np.float32)
    small = np.array([[0, 1, 2, 3, 5, 60, 100, 127]], np.float32)
    for to in (BOOL, I8, U8, I32, I64, F16, F64):
        name = {BOOL: "bool", I8: "int8", U8: "uint8", I32: "int32", I64: "int64", F16: "half", F64: "double"}[to]
        x = np.abs(values) if to == U8 else values[:, :-1] if to != BOOL else values
        if to == I8:
            x = np.clip(x, -128, 127)
        if to == F16:
            x = np.round(x * 4) / 4
        s.add("Cast", f"float to {name}", lambda g, x: g.cast(x, to), x)
        for via in (I8, U8, I32, I64, BOOL, F16, F64):
            s.add("Cast", f"{via} to {name}", lambda g, x: g.cast(g.cast(x, via), to), small)
    s.add("Cast", "NaN to bool", lambda g, x: g.cast(x, BOOL), ODD)
    for to, dtype in ((BOOL, bool), (I8, np.int8), (U8, np.uint8), (I32, np.int32), (I64, np.int64), (F32, np.float32)):
        s.add("CastLike", f"{to}", lambda g, x: g.node("CastLike", x, g.const([1], dtype)), small - 2 if to != U8 else small)
    s.add("Cast", "beyond int32", lambda g, x: g.cast(x, I32), [[NAN, INF, -INF, 3e9, -3e9, 2147483520.0, -2147483648.0, 1.0]])
    s.add("Cast", "beyond uint8", lambda g, x: g.cast(x, U8), [[256.0, 300.7, -1.0, -2.5, 511.0, 70000.0, NAN, 1.0]])
    s.add("Cast", "beyond int8", lambda g, x: g.cast(x, I8), [[128.0, 300.7, -129.0, -200.5, 511.0, 70000.0, NAN, 1.0]])
    s.add("Cast", "int32 to bool and back", lambda g, x: g.cast(g.cast(g.cast(x, I32), BOOL), I32), whole(3, 4))
    s.add("Cast", "bool, added", lambda g, x: g.node("Add", g.cast(g.cast(x, BOOL), F32), x), whole(3, 4))
    s.add("Cast", "bool, multiplied", lambda g, x: g.node("Mul", g.cast(g.cast(g.cast(x, I64), BOOL), F32), g.const(0.5)), whole(3, 4))
    s.add("Cast", "half rounds", lambda g, x: g.cast(g.cast(x, F16), F32), normal(3, 4))
    s.add("Cast", "half overflows", lambda g, x: g.cast(g.cast(x, F16), F32), [[7e4, -7e4, 65504.0, 1.0]])


def add_to(s):
    unary(s)
    clip(s)
    binary(s)
    casts(s)
