"""What exporters write in place of one node and engines turn into one, and what only looks like it."""

import numpy as np
from suite import INF, ODD, normal


def add_to(s):
    # What exporters write in place of one node, and rten turns into one.
    def layer_norm(g, x):
        centred = g.node("Sub", x, g.node("ReduceMean", x, axes=[-1]))
        variance = g.node("ReduceMean", g.node("Pow", centred, g.const(2)), axes=[-1])
        y = g.node("Div", centred, g.node("Sqrt", g.node("Add", variance, g.const(1e-5))))
        return g.node("Add", g.node("Mul", y, g.const(normal(4))), g.const(normal(4, seed=1)))
    s.add("fused", "layer norm", layer_norm, normal(3, 4))
    s.add("fused", "SiLU", lambda g, x: g.node("Mul", x, g.node("Sigmoid", x)), ODD)
    s.add("fused", "SiLU, normal", lambda g, x: g.node("Mul", x, g.node("Sigmoid", x)), normal(3, 40, scale=3))
    s.add("fused", "GELU", lambda g, x: g.node("Mul", g.node("Mul", x, g.node("Add", g.node("Erf", g.node("Div", x, g.const(1.4142135))), g.const(1))), g.const(0.5)), ODD)
    s.add("fused", "add 0", lambda g, x: g.node("Add", x, g.const(0)), ODD)
    s.add("fused", "multiply by 1", lambda g, x: g.node("Mul", x, g.const(1)), ODD)
    s.add("fused", "safe softmax", lambda g, x: g.node("Where", g.node("IsNaN", g.node("Softmax", x)), g.const(0), g.node("Softmax", x)), [[-INF, -INF], [1, 2]])
    s.add("fused", "masked softmax", lambda g, x: g.node("Softmax", g.node("Add", x, g.const([0, -INF, 0, -INF]))), normal(3, 4))
    s.add("fused", "scaled product", lambda g, x: g.node("MatMul", g.node("Mul", x, g.const(0.5)), g.const(normal(4, 3))), normal(3, 4))

    def norm(mean_axes, epsilon=1e-5, power=2.0, scale=True, after=0.0):
        def build(g, x):
            centred = g.node("Sub", x, g.node("ReduceMean", x, axes=mean_axes))
            variance = g.node("ReduceMean", g.node("Pow", centred, g.const(power)), axes=mean_axes)
            y = g.node("Div", centred, g.node("Sqrt", g.node("Add", variance, g.const(epsilon))))
            if scale:
                y = g.node("Mul", y, g.const(normal(4)))
            return g.node("Add", y, g.const(after))
        return build
    s.add("fused", "layer norm, no scale", norm([-1], scale=False), normal(2, 3, 4))
    s.add("fused", "layer norm, large epsilon", norm([-1], 0.5), normal(2, 3, 4))
    s.add("fused", "layer norm of two axes", norm([1, 2]), normal(2, 3, 4))
    s.add("fused", "layer norm of another axis", norm([1]), normal(2, 3, 4))
    s.add("fused", "not a layer norm: another power", norm([-1], power=4.0), normal(2, 3, 4))
    s.add("fused", "not a layer norm: a shift behind", norm([-1], after=3.0), normal(2, 3, 4))

    def root(g, x, epsilon=1e-3):
        mean = g.node("ReduceMean", g.node("Pow", x, g.const(2)), axes=[-1])
        return g.node("Mul", g.node("Mul", x, g.node("Reciprocal", g.node("Sqrt", g.node("Add", mean, g.const(epsilon))))), g.const(normal(4)))
    s.add("fused", "root mean square", root, normal(2, 3, 4))

    for what, shape in (("one", [1]), ("more axes", [1, 1, 1, 1]), ("wider", [2, 1, 1])):
        for op, value in (("Add", 0), ("Sub", 0), ("Mul", 1), ("Div", 1)):
            def nothing(g, x):
                y = g.node(op, x, g.const(np.full(shape, value)))
                return g.node("ReduceSum", y, g.ints(0), keepdims=0)
            s.add("fused", f"{op} {value}, {what}", nothing, normal(3, 4))
    s.add("fused", "0 less", lambda g, x: g.node("Sub", g.const(0), x), normal(3, 4))
    s.add("fused", "1 divided", lambda g, x: g.node("Div", g.const(1), x), normal(3, 4))
    s.add("fused", "1 divided, a list", lambda g, x: g.node("Div", g.const([1, 1, 1, 1]), x), normal(3, 4))

    for what, alpha in (("1.0", 1.0), ("0.5", 0.5), ("of channels", [1, 2, 3, 4])):
        s.add("fused", f"swish {what}", lambda g, x: g.node("Mul", x, g.node("Sigmoid", g.node("Mul", x, g.const(alpha)))), normal(3, 4))
    s.add("fused", "not swish: another input", lambda g, x: g.node("Mul", g.node("Neg", x), g.node("Sigmoid", x)), normal(3, 4))
    for what, root_two, half, one in (("", 1.4142135, 0.5, 1), ("not: 1.5", 1.5, 0.5, 1), ("not: half of 2", 1.4142135, 0.5, 2), ("not: a third", 1.4142135, 0.33, 1)):
        s.add("fused", f"GELU {what} normal", lambda g, x: g.node("Mul", g.node("Mul", x, g.node("Add", g.node("Erf", g.node("Div", x, g.const(root_two))), g.const(one))), g.const(half)), normal(3, 40))

    def tanh_gelu(cubic, factor):
        def build(g, x):
            inner = g.node("Add", x, g.node("Mul", g.const(cubic), g.node("Pow", x, g.const(3))))
            return g.node("Mul", g.node("Mul", x, g.const(0.5)), g.node("Add", g.node("Tanh", g.node("Mul", inner, g.const(factor))), g.const(1)))
        return build
    s.add("fused", "GELU by tanh", tanh_gelu(0.044715, 0.7978846), normal(3, 40))
    s.add("fused", "not GELU by tanh", tanh_gelu(0.05, 0.8), normal(3, 40))

    x, w = normal(2, 3, 9, 6), normal(4, 3, 3, 3, seed=1)
    for what, shape in (("channels", [4, 1, 1]), ("channels of a batch", [1, 4, 1, 1]), ("columns", [4]), ("one", [1]), ("none", []), ("all", [2, 4, 7, 4]), ("rows", [7, 1])):
        for bias in (False, True):
            def conv(g, x):
                more = [g.const(normal(4, seed=2))] if bias else []
                return g.node("Add", g.node("Conv", x, g.const(w), *more), g.const(normal(*shape, seed=3)))
            s.add("fused", f"convolution and {what}, bias {bias}", conv, x)
    s.add("fused", "channels and convolution", lambda g, x: g.node("Add", g.const(normal(4, 1, 1, seed=3)), g.node("Conv", x, g.const(w))), x)
    four = [np.abs(normal(4, seed=index)) + 0.1 for index in range(4)]
    for bias in (False, True):
        for groups in (1, 2):
            def normed(g, x):
                more = [g.const(normal(4, seed=2))] if bias else []
                y = g.node("Conv", x, g.const(normal(4, 4 // groups, 3, 3, seed=1)), *more, group=groups)
                return g.node("BatchNormalization", y, *map(g.const, four), epsilon=1e-3)
            s.add("fused", f"convolution and batch norm, bias {bias}, groups {groups}", normed, normal(2, 4, 6, 5))
    s.add("fused", "transposed convolution and batch norm", lambda g, x: g.node("BatchNormalization", g.node("ConvTranspose", x, g.const(normal(3, 4, 3, 3))), *map(g.const, four)), x)
    s.add("fused", "convolution used twice", lambda g, x: g.node("Add", (y := g.node("Conv", x, g.const(w))), g.node("BatchNormalization", y, *map(g.const, four))), x)
    for what, shape in (("columns", [4]), ("a row", [1, 4]), ("rows", [4, 1]), ("one", [1]), ("none", []), ("all", [4, 4]), ("batch", [2, 1, 1])):
        s.add("fused", f"product and {what}", lambda g, x: g.node("Add", g.node("MatMul", x, g.const(normal(5, 4))), g.const(normal(*shape, seed=2))), normal(2, 4, 5))
        s.add("fused", f"product times {what}", lambda g, x: g.node("Mul", g.node("MatMul", x, g.const(normal(5, 4))), g.const(normal(*shape, seed=2))), normal(2, 4, 5))
    s.add("fused", "product by a scale", lambda g, x: g.node("Div", g.node("MatMul", x, g.const(normal(5, 4))), g.const(3)), normal(2, 4, 5))
    s.add("fused", "both sides scaled", lambda g, x: g.node("MatMul", g.node("Mul", x, g.const(0.3)), g.node("Div", g.const(normal(5, 4)), g.const(7))), normal(2, 4, 5))
    s.add("fused", "product of transposes", lambda g, x: g.node("MatMul", g.node("Transpose", x, perm=[0, 2, 1]), g.node("Transpose", g.node("Transpose", x, perm=[0, 2, 1]), perm=[0, 2, 1])), normal(2, 4, 5))
    for what, shape in (("a row", [4]), ("rows", [3, 1]), ("batch", [2, 1, 4])):
        s.add("fused", f"softmax of a sum, {what}", lambda g, x: g.node("Softmax", g.node("Add", x, g.const(normal(*shape, seed=2))), axis=-1), normal(2, 3, 4))
        s.add("fused", f"softmax of a sum along time, {what}", lambda g, x: g.node("Softmax", g.node("Add", x, g.const(normal(*shape, seed=2))), axis=1), normal(2, 3, 4))

    s.add("fused", "Shape and Gather", lambda g, x: g.node("Reshape", x, g.node("Concat", g.node("Unsqueeze", g.node("Gather", g.node("Shape", x), g.const(0, np.int64)), g.ints(0)), g.ints(-1), axis=0)), normal(2, 3, 4), dims=["n", 3, 4])
    s.add("fused", "casts that do nothing", lambda g, x: g.cast(g.cast(g.cast(x, 11), 1), 11), normal(3, 4))
    s.add("fused", "casts to integers and back", lambda g, x: g.cast(g.cast(g.cast(x, 7), 6), 1), normal(3, 4, scale=9))
    s.add("fused", "identities", lambda g, x: g.node("Identity", g.node("Dropout", g.node("Identity", x))), normal(3, 4))
