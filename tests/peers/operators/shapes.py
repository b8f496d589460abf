"""Reductions, operators that move values, transforms, constants, and local functions."""

import numpy as np
from onnx import helper, numpy_helper, TensorProto
from suite import BOOL, F16, F32, F64, I8, I32, I64, INF, NAN, ODD, U8, normal, whole

REDUCTIONS = ["ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare"]


def reductions(s):
    x = np.abs(normal(2, 3, 4)) + np.float32(0.1)
    for op in REDUCTIONS:
        for keep in (0, 1):
            for axes in ([1], [-1], [1, 2], None, [0]):
                settings = {"keepdims": keep} | ({} if axes is None else {"axes": axes})
                s.add(op, f"axes {axes} keep {keep} opset 11", lambda g, x: g.node(op, x, **settings), x, 11)
                s.add(op, f"axes {axes} keep {keep} opset 18", lambda g, x: g.node(op, x, *([] if axes is None else [g.ints(*axes)]), keepdims=keep), x, 18)
        s.add(op, "no axes, nothing to do", lambda g, x: g.node(op, x, g.ints(), noop_with_empty_axes=1), x, 18)
        if op != "ReduceLogSum":
            s.add(op, "axes left out, nothing to do", lambda g, x: g.node(op, x, noop_with_empty_axes=1), normal(3, 4), 18)
        s.add(op, "empty axes", lambda g, x: g.node(op, x, g.ints(), keepdims=0), x, 18)
        s.add(op, "odd", lambda g, x: g.node(op, x, axes=[1]), ODD, 11)
        if op not in ("ReduceMax", "ReduceMin"):
            s.add(op, "one NaN", lambda g, x: g.node(op, x, axes=[1]), [[1, 2, NAN, 3], [NAN, NAN, NAN, NAN], [NAN, 1, 2, 3], [3, 2, 1, NAN]], 11)
        if op not in ("ReduceLogSumExp", "ReduceLogSum"):
            for kind in (I32, I64):
                s.add(op, f"type {kind}", lambda g, x: g.node(op, g.cast(x, kind), axes=[1]), whole(3, 4), 11)
    s.add("ReduceMax", "bytes", lambda g, x: g.node("ReduceMax", g.cast(x, U8), axes=[1]), whole(3, 4, low=0, high=200), 13)
    s.add("ReduceMax", "booleans", lambda g, x: g.node("ReduceMax", g.cast(x, BOOL), g.ints(1)), whole(3, 4, low=0, high=2), 20)
    for op in ("ArgMax", "ArgMin"):
        for keep in (0, 1):
            for axis in (0, 1, -1):
                s.add(op, f"axis {axis} keep {keep}", lambda g, x: g.node(op, x, axis=axis, keepdims=keep), normal(3, 4, 5))
        s.add(op, "ties", lambda g, x: g.node(op, x, axis=1), whole(4, 9, low=0, high=3))
        s.add(op, "ties along the first", lambda g, x: g.node(op, x, axis=0), whole(9, 4, low=0, high=3))
        s.add(op, "last of ties", lambda g, x: g.node(op, x, axis=1, select_last_index=1), whole(4, 9, low=0, high=3))
        s.add(op, "integers", lambda g, x: g.node(op, g.cast(x, I32), axis=1), whole(4, 9, low=0, high=3))
        s.add(op, "infinite", lambda g, x: g.node(op, x, axis=1), [[INF, -INF, 0, 0], [-INF, -INF, -INF, -INF]])
        s.add(op, "default axis", lambda g, x: g.node(op, x), normal(3, 4), 11)
    for exclusive in (0, 1):
        for reverse in (0, 1):
            s.add("CumSum", f"exclusive {exclusive} reverse {reverse}", lambda g, x: g.node("CumSum", x, g.const(1, np.int64), exclusive=exclusive, reverse=reverse), normal(3, 4))
    s.add("CumSum", "negative axis", lambda g, x: g.node("CumSum", x, g.const(-2, np.int32)), normal(3, 4, 2))
    s.add("CumSum", "axis in a list", lambda g, x: g.node("CumSum", x, g.const([1], np.int64)), normal(3, 4))
    for largest in (0, 1):
        for opset in (10, 11):
            settings = {"largest": largest} if opset == 11 else {}
            s.add("TopK", f"largest {largest} opset {opset}", lambda g, x: g.node("TopK", x, g.ints(3), outputs=2, **settings), normal(3, 7), opset)
        s.add("TopK", f"ties, largest {largest}", lambda g, x: g.node("TopK", x, g.ints(4), largest=largest, outputs=2), whole(3, 9, low=0, high=3))
        s.add("TopK", f"axis 0, largest {largest}", lambda g, x: g.node("TopK", x, g.ints(2), axis=0, largest=largest, outputs=2), normal(5, 3))
    s.add("TopK", "sorted later", lambda g, x: g.node("ReduceSum", g.node("TopK", x, g.ints(3), sorted=0, outputs=2)[0], keepdims=0), normal(3, 7))
    s.add("TopK", "integers", lambda g, x: g.node("TopK", g.cast(x, I64), g.ints(3), outputs=2), whole(3, 7))


def moves(s):
    x = normal(2, 3, 4)
    for shape in ([6, 4], [0, -1], [-1], [2, 0, 2, 2], [1, -1, 4]):
        s.add("Reshape", f"{shape}", lambda g, x: g.node("Reshape", x, g.ints(*shape)), x)
    s.add("Reshape", "allowzero", lambda g, x: g.node("Reshape", x, g.ints(6, 4), allowzero=1), x)
    s.add("Reshape", "of a shape", lambda g, x: g.node("Reshape", x, g.node("Concat", g.node("Slice", g.node("Shape", x), g.ints(0), g.ints(1)), g.ints(-1), axis=0)), x, dims=["n", 3, 4])
    for axis in (0, 1, 2, 3, -1):
        s.add("Flatten", f"axis {axis}", lambda g, x: g.node("Flatten", x, axis=axis), x)
    s.add("Flatten", "", lambda g, x: g.node("Flatten", x), x)
    s.add("Transpose", "", lambda g, x: g.node("Transpose", x), x)
    s.add("Transpose", "order", lambda g, x: g.node("Transpose", x, perm=[0, 2, 1]), x)
    for opset in (11, 13):
        put = (lambda g, axes: ([], {"axes": axes})) if opset == 11 else (lambda g, axes: ([g.ints(*axes)], {}))
        for op, shape, axes in (("Squeeze", [2, 1, 3, 1], [1]), ("Squeeze", [2, 1, 3, 1], [-1]), ("Squeeze", [2, 1, 3, 1], [1, 3]), ("Unsqueeze", [2, 3], [0]), ("Unsqueeze", [2, 3], [-1]), ("Unsqueeze", [2, 3], [0, 3]), ("Unsqueeze", [2, 3], [3, 1])):
            def build(g, x):
                inputs, settings = put(g, axes)
                return g.node(op, x, *inputs, **settings)
            s.add(op, f"{axes} opset {opset}", build, normal(*shape), opset)
        s.add("Squeeze", f"all opset {opset}", lambda g, x: g.node("Squeeze", x), normal(2, 1, 3, 1), opset)
    for what, inputs in (
        ("plain", ([1], [3], [1])), ("negative", ([-3], [-1], [2])), ("step 2", ([0], [4], [2], [2])), ("backwards", ([3], [-5], [2], [-1])),
        ("to the end", ([1], [9223372036854775807], [1])), ("two axes", ([0, 1], [2, 3], [1, 2])), ("no axes", ([0, 1], [1, 3])), ("beyond", ([1], [100], [1])),
        ("backwards from the end", ([-1], [-9223372036854775808], [2], [-1])), ("backwards by 2", ([3], [0], [2], [-2])), ("empty", ([2], [2], [1])), ("negative axes", ([1], [3], [-1])),
        ("backwards from beyond the end", ([9], [-9], [2], [-1])), ("backwards from before the first", ([-9], [-9], [2], [-2])),
        ("backwards to the largest end", ([-1], [9223372036854775807], [2], [-1])), ("backwards to the largest end of 32 bits", ([3], [2147483647], [2], [-2])),
        ("one of two axes backwards", ([-9, 3], [2, -9], [1, -1], [1, -1])),
    ):
        s.add("Slice", what, lambda g, x: g.node("Slice", x, *[g.ints(*part) for part in inputs]), x)
    s.add("Slice", "opset 9", lambda g, x: g.node("Slice", x, starts=[1], ends=[3], axes=[1]), x, 9)
    s.add("Slice", "opset 9 no axes", lambda g, x: g.node("Slice", x, starts=[0, 1], ends=[1, 3]), x, 9)
    s.add("Split", "opset 11", lambda g, x: g.node("Split", x, axis=2, split=[1, 3], outputs=2), x, 11)
    s.add("Split", "opset 11 equal", lambda g, x: g.node("Split", x, axis=1, outputs=3), x, 11)
    s.add("Split", "opset 13", lambda g, x: g.node("Split", x, g.ints(1, 3), axis=-1, outputs=2), x, 13)
    s.add("Split", "opset 13 equal", lambda g, x: g.node("Split", x, axis=2, outputs=2), x, 13)
    s.add("Split", "opset 18", lambda g, x: g.node("Split", x, axis=2, num_outputs=3, outputs=3), normal(2, 3, 7), 18)
    s.add("Split", "opset 18 rest", lambda g, x: g.node("Split", x, axis=2, num_outputs=3, outputs=3), normal(2, 3, 8), 18)
    for axis in (0, 1, -1):
        s.add("Concat", f"axis {axis}", lambda g, x: g.node("Concat", x, g.const(normal(2, 3, 4, seed=1)), x, axis=axis), x)
    s.add("Concat", "integers", lambda g, x: g.node("Concat", g.cast(x, I64), g.ints(1, 2), axis=0), whole(3))
    s.add("Concat", "bytes", lambda g, x: g.node("Concat", g.cast(x, U8), g.const([1, 2], np.uint8), axis=0), whole(3, low=0))
    for shape in ([2, 3, 4], [5, 2, 3, 4], [1], [1, 1, 1]):
        s.add("Expand", f"{shape}", lambda g, x: g.node("Expand", x, g.ints(*shape)), x)
    s.add("Expand", "one to many", lambda g, x: g.node("Expand", x, g.ints(2, 3, 4)), normal(3, 1))
    s.add("Tile", "", lambda g, x: g.node("Tile", x, g.ints(1, 2, 3)), x)
    s.add("Tile", "bytes", lambda g, x: g.node("Tile", g.cast(x, U8), g.ints(2, 1, 1)), np.abs(x) * 9)
    pads = [0, 1, 2, 0, 2, 1]
    for mode in ("constant", "reflect", "edge", "wrap"):
        s.add("Pad", mode, lambda g, x: g.node("Pad", x, g.ints(*pads), mode=mode), x, 19)
        s.add("Pad", f"{mode} one axis", lambda g, x: g.node("Pad", x, g.ints(1, 2), "", g.ints(2), mode=mode), x, 19)
    s.add("Pad", "value", lambda g, x: g.node("Pad", x, g.ints(*pads), g.const(7)), x, 13)
    s.add("Pad", "opset 10", lambda g, x: g.node("Pad", x, pads=pads, value=3.0), x, 10)
    s.add("Pad", "opset 10 reflect", lambda g, x: g.node("Pad", x, pads=pads, mode="reflect"), x, 10)
    s.add("Pad", "cuts", lambda g, x: g.node("Pad", x, g.ints(0, -1, 2, 0, 0, -1)), x, 13)
    s.add("Pad", "integers", lambda g, x: g.node("Pad", g.cast(x, I64), g.ints(1, 1), g.const(5, np.int64)), whole(3), 13)
    s.add("Pad", "axes", lambda g, x: g.node("Pad", x, g.ints(1, 2, 1, 0), g.const(1), g.ints(0, -1)), x, 18)
    indices = np.array([[0, 2], [1, -1]])
    for axis in (0, 1, -1):
        s.add("Gather", f"axis {axis}", lambda g, x: g.node("Gather", x, g.const(indices if axis else indices % 2, np.int64), axis=axis), x)
    s.add("Gather", "one", lambda g, x: g.node("Gather", x, g.const(1, np.int64), axis=1), x)
    s.add("Gather", "int32", lambda g, x: g.node("Gather", x, g.const([1, 0], np.int32)), x)
    s.add("Gather", "table", lambda g, x: g.node("Gather", g.const(normal(9, 4)), g.cast(x, I64)), whole(2, 3, low=0))
    s.add("GatherElements", "", lambda g, x: g.node("GatherElements", x, g.const(np.array([[[0, 2, -1, 1]] * 3] * 2), np.int64), axis=2), x)
    s.add("GatherND", "", lambda g, x: g.node("GatherND", x, g.const([[0, 1], [1, 2]], np.int64)), x)
    s.add("GatherND", "batch", lambda g, x: g.node("GatherND", x, g.const([[1], [2]], np.int64), batch_dims=1), x)
    s.add("GatherND", "negative", lambda g, x: g.node("GatherND", x, g.const([[-1, -1, -1]], np.int64)), x)
    updates = normal(2, 3, 2, seed=3)
    where = np.array([[[0, 3], [1, 2], [-1, 0]]] * 2)
    for reduction, opset in (("none", 11), ("add", 16), ("mul", 16), ("max", 18), ("min", 18)):
        settings = {} if reduction == "none" else {"reduction": reduction}
        s.add("ScatterElements", reduction, lambda g, x: g.node("ScatterElements", x, g.const(where, np.int64), g.const(updates), axis=2, **settings), x, opset)
        s.add("ScatterND", reduction, lambda g, x: g.node("ScatterND", x, g.const([[0, 1], [1, 2]], np.int64), g.const(normal(2, 4, seed=5)), **settings), x, max(opset, 11))
        if reduction in ("none", "add", "mul"):
            s.add("ScatterElements", f"{reduction} NaN", lambda g, x: g.node("ScatterElements", x, g.const([[0, 1, 1, 2]] * 4, np.int64), g.const([[NAN, 1, 2, NAN]] * 4), axis=1, **settings), ODD, opset)
    s.add("ScatterElements", "twice the same, add", lambda g, x: g.node("ScatterElements", x, g.const([[1, 1]], np.int64), g.const([[2, 3]]), axis=1, reduction="add"), normal(1, 4), 16)
    s.add("Scatter", "", lambda g, x: g.node("Scatter", x, g.const(where, np.int64), g.const(updates), axis=2), x, 10)
    for mode in ("DCR", "CRD"):
        s.add("DepthToSpace", mode, lambda g, x: g.node("DepthToSpace", x, blocksize=2, mode=mode), normal(2, 8, 3, 2))
    s.add("SpaceToDepth", "", lambda g, x: g.node("SpaceToDepth", x, blocksize=2), normal(2, 3, 4, 6))
    for upper in (0, 1):
        for k in (None, -1, 1):
            s.add("Trilu", f"upper {upper} by {k}", lambda g, x: g.node("Trilu", x, *([] if k is None else [g.const(k, np.int64)]), upper=upper), normal(2, 4, 5))
    s.add("Shape", "", lambda g, x: g.node("Shape", x), x)
    s.add("Shape", "part", lambda g, x: g.node("Shape", x, start=1, end=-1), normal(2, 3, 4, 5))
    s.add("Shape", "from the end", lambda g, x: g.node("Shape", x, start=-2), normal(2, 3, 4, 5))
    s.add("Size", "", lambda g, x: g.node("Size", x), x)
    s.add("Range", "", lambda g, x: g.node("Range", g.const(1, np.int64), g.const(9, np.int64), g.const(3, np.int64)), x)
    s.add("Range", "floats", lambda g, x: g.node("Range", g.const(1), g.const(0), g.const(-0.25)), x)
    s.add("Range", "of a size", lambda g, x: g.node("Range", g.const(0, np.int64), g.node("Squeeze", g.node("Shape", x, start=1, end=2)), g.const(1, np.int64)), x)
    s.add("OneHot", "", lambda g, x: g.node("OneHot", g.cast(x, I64), g.const(6, np.int64), g.const([0.5, 2.0])), whole(2, 3, low=0))
    s.add("OneHot", "axis, negative, outside", lambda g, x: g.node("OneHot", g.cast(x, I64), g.const(4, np.int64), g.const([0.5, 2.0]), axis=0), [[-1, 0, 3], [5, -4, -5]])
    s.add("EyeLike", "", lambda g, x: g.node("EyeLike", x), normal(3, 4))
    s.add("EyeLike", "k", lambda g, x: g.node("EyeLike", x, k=1, dtype=I64), normal(3, 4))
    s.add("ReverseSequence", "", lambda g, x: g.node("ReverseSequence", x, g.const([3, 1], np.int64), time_axis=1, batch_axis=0), normal(2, 3, 4))
    s.add("ReverseSequence", "time first", lambda g, x: g.node("ReverseSequence", x, g.const([3, 1, 2, 2], np.int64)), normal(3, 4))
    s.add("NonZero", "", lambda g, x: g.node("NonZero", x), whole(3, 4, low=0, high=2))
    s.add("Compress", "", lambda g, x: g.node("Compress", x, g.const([True, False, True], bool), axis=1), x)
    s.add("Dropout", "opset 13", lambda g, x: g.node("Dropout", x), x, 13)
    s.add("Dropout", "ratio", lambda g, x: g.node("Dropout", x, g.const(0.5)), x, 13)
    s.add("Dropout", "opset 10", lambda g, x: g.node("Dropout", x, ratio=0.5), x, 10)
    s.add("Dropout", "not training", lambda g, x: g.node("Dropout", x, g.const(0.5), g.const(False, bool)), x, 13)
    s.add("Dropout", "with its mask", lambda g, x: g.node("Dropout", x, outputs=2), x, 13)
    s.add("Dropout", "with its mask opset 10", lambda g, x: g.node("Dropout", x, outputs=2), x, 10)
    s.add("ConstantOfShape", "", lambda g, x: g.node("ConstantOfShape", g.node("Shape", x)), x)
    for dtype, value in ((np.float32, 2.5), (np.int64, 7), (np.int32, -3), (bool, True)):
        tensor = numpy_helper.from_array(np.array([value], dtype))
        s.add("ConstantOfShape", np.dtype(dtype).name, lambda g, x: g.node("ConstantOfShape", g.ints(2, 3), value=tensor), x)
    for what, settings in (("float", {"value_float": 1.5}), ("int", {"value_int": 3}), ("floats", {"value_floats": [1.0, 2.0]}), ("ints", {"value_ints": [1, 2]})):
        s.add("Constant", what, lambda g, x: g.node("Add", x, g.cast(g.node("Constant", **settings), F32)), normal(3, 2))
    for dtype in (np.float16, np.float64, np.int8, np.uint8, bool, np.int16, np.uint16, np.uint32, np.uint64):
        s.add("Constant", np.dtype(dtype).name, lambda g, x: g.node("Add", x, g.cast(g.const([1, 0, 1, 1], dtype), F32)), normal(3, 4))


def resizing(s):
    x = normal(1, 2, 4, 5)
    modes = [("nearest", {"nearest_mode": mode}) for mode in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")]
    modes += [("linear", {}), ("cubic", {})]
    for mode, settings in modes:
        for transform in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"):
            if transform == "tf_half_pixel_for_nn":
                continue
            if transform == "tf_crop_and_resize" and mode != "linear":
                continue
            name = f"{mode} {' '.join(settings.values())} {transform}"
            if transform == "tf_crop_and_resize":
                s.add("Resize", name, lambda g, x: g.node("Resize", x, g.const([0, 0, 0.2, 0.1, 1, 1, 0.9, 0.8]), g.const([1, 1, 2, 1.6]), mode=mode, coordinate_transformation_mode=transform), x)
                continue
            opset = 19 if transform == "half_pixel_symmetric" else 13
            s.add("Resize", f"{name} up", lambda g, x: g.node("Resize", x, "", g.const([1, 1, 2, 1.6]), mode=mode, coordinate_transformation_mode=transform, **settings), x, opset)
            s.add("Resize", f"{name} down", lambda g, x: g.node("Resize", x, "", "", g.ints(1, 2, 2, 3), mode=mode, coordinate_transformation_mode=transform, **settings), x, opset)
    s.add("Resize", "default", lambda g, x: g.node("Resize", x, "", g.const([1, 1, 2, 2])), x, 11 + 2)
    s.add("Resize", "opset 11", lambda g, x: g.node("Resize", x, g.const([], np.float32), g.const([1, 1, 2, 2]), mode="linear"), x, 11)
    s.add("Resize", "opset 10", lambda g, x: g.node("Resize", x, g.const([1, 1, 2, 2])), x, 10)
    s.add("Resize", "axes", lambda g, x: g.node("Resize", x, "", g.const([2.0, 3.0]), axes=[2, 3]), x, 18)
    s.add("Resize", "3-D", lambda g, x: g.node("Resize", x, "", g.const([1, 1, 2]), mode="linear"), normal(1, 2, 5))
    s.add("Resize", "antialias", lambda g, x: g.node("Resize", x, "", g.const([1, 1, 0.5, 0.5]), mode="linear", antialias=1), x, 18)
    s.add("Resize", "channels", lambda g, x: g.node("Resize", x, "", g.const([1, 2, 1, 1])), x)
    s.add("Resize", "keeps the ratio", lambda g, x: g.node("Resize", x, "", "", g.ints(8, 8), axes=[2, 3], keep_aspect_ratio_policy="not_larger"), x, 18)
    for opset in (7, 9):
        for mode in ("nearest", "linear"):
            s.add("Upsample", f"{mode} opset {opset}", lambda g, x: g.node("Upsample", x, mode=mode, scales=[1.0, 1.0, 2.0, 2.0]) if opset == 7 else g.node("Upsample", x, g.const([1, 1, 2, 2]), mode=mode), x, opset)
    s.add("GridSample", "", lambda g, x: g.node("GridSample", x, g.const(np.tanh(normal(1, 3, 3, 2))), mode="bilinear"), x, 16)


def transforms(s):
    signal = normal(2, 16, 1)
    for opset in (17, 20):
        for onesided in (0, 1):
            for inverse in (0, 1):
                def build(g, x):
                    if opset == 17:
                        return g.node("DFT", x, axis=1, onesided=onesided, inverse=inverse)
                    return g.node("DFT", x, "", g.const(1, np.int64), onesided=onesided, inverse=inverse)
                shape = (2, 16, 2) if inverse else (2, 16, 1)
                s.add("DFT", f"onesided {onesided} inverse {inverse} opset {opset}", build, normal(*shape), opset)
        s.add("DFT", f"default axis opset {opset}", lambda g, x: g.node("DFT", x), normal(2, 16, 1), opset)
        s.add("DFT", f"complex opset {opset}", lambda g, x: g.node("DFT", x), normal(2, 8, 2), opset)
        s.add("DFT", f"length opset {opset}", lambda g, x: g.node("DFT", x, g.const(10, np.int64)), normal(2, 16, 1), opset)
    for onesided in (0, 1):
        for window in (False, True):
            s.add("STFT", f"onesided {onesided} window {window}", lambda g, x: g.node("STFT", x, g.const(4, np.int64), g.const(np.hanning(8)) if window else "", g.const(8, np.int64), onesided=onesided), normal(2, 32, 1))
    s.add("STFT", "2-D", lambda g, x: g.node("STFT", x, g.const(4, np.int64), g.const(np.hanning(8))), normal(2, 32))
    for op in ("HannWindow", "HammingWindow", "BlackmanWindow"):
        for periodic in (0, 1):
            s.add(op, f"periodic {periodic}", lambda g, x: g.node(op, g.const(10, np.int64), periodic=periodic), normal(1, 2))
    s.add("MelWeightMatrix", "", lambda g, x: g.node("MelWeightMatrix", g.const(8, np.int64), g.const(16, np.int64), g.const(8000, np.int64), g.const(0.0), g.const(4000.0)), normal(1, 2))


def functions(s):
    def function(name, inputs, outputs, nodes, opset=17, attributes=(), defaults=(), domains=()):
        opsets = [helper.make_opsetid("", opset)] + [helper.make_opsetid(domain, 1) for domain in domains]
        return helper.make_function("custom", name, inputs, outputs, nodes, opsets, list(attributes), list(defaults))

    def by_reference(op, inputs, outputs, **references):
        node = helper.make_node(op, inputs, outputs)
        for name, (reference, kind) in references.items():
            attribute = node.attribute.add()
            attribute.name, attribute.ref_attr_name, attribute.type = name, reference, kind
        return node

    def call(g, op, *inputs, outputs=1, **settings):
        g.domains["custom"] = 1
        return g.node(op, *inputs, domain="custom", outputs=outputs, **settings)

    n = helper.make_node

    def plain(g, x):
        g.functions.append(function("Twice", ["a"], ["b"], [n("Add", ["a", "a"], ["b"])]))
        return call(g, "Twice", x)
    s.add("functions", "one", plain)

    def two_calls(g, x):
        g.functions.append(function("Square", ["a"], ["b"], [n("Identity", ["a"], ["t"]), n("Mul", ["t", "a"], ["b"])]))
        return call(g, "Square", call(g, "Square", x))
    s.add("functions", "called twice", two_calls)

    def nested(g, x):
        g.functions.append(function("Inner", ["a"], ["b"], [n("Relu", ["a"], ["b"])]))
        g.functions.append(function("Outer", ["a"], ["b", "c"], [n("Inner", ["a"], ["t"], domain="custom"), n("Neg", ["t"], ["b"]), n("Inner", ["b"], ["c"], domain="custom")], domains=["custom"]))
        return call(g, "Outer", x, outputs=2)
    s.add("functions", "nested", nested)

    def attribute(g, x):
        g.functions.append(function("Leaky", ["a"], ["b"], [by_reference("LeakyRelu", ["a"], ["b"], alpha=("slope", 1))], attributes=["slope"]))
        return call(g, "Leaky", x, slope=0.25)
    s.add("functions", "attribute by reference", attribute)

    def left_out(g, x):
        g.functions.append(function("Leaky", ["a"], ["b"], [by_reference("LeakyRelu", ["a"], ["b"], alpha=("slope", 1))], attributes=["slope"]))
        return call(g, "Leaky", x)
    s.add("functions", "attribute left out", left_out)

    def default(g, x):
        g.functions.append(function("Leaky", ["a"], ["b"], [by_reference("LeakyRelu", ["a"], ["b"], alpha=("slope", 1))], defaults=[helper.make_attribute("slope", 0.75)]))
        return [call(g, "Leaky", x), call(g, "Leaky", x, slope=0.5)]
    s.add("functions", "attribute with a default", default)

    def passed_on(g, x):
        g.functions.append(function("Inner", ["a"], ["b"], [by_reference("LeakyRelu", ["a"], ["b"], alpha=("slope", 1))], attributes=["slope"]))
        inner = by_reference("Inner", ["a"], ["b"], slope=("steep", 1))
        inner.domain = "custom"
        g.functions.append(function("Outer", ["a"], ["b"], [inner], attributes=["steep"], domains=["custom"]))
        return call(g, "Outer", x, steep=0.125)
    s.add("functions", "attribute passed on", passed_on)

    def constant(g, x):
        g.functions.append(function("Shift", ["a"], ["b"], [by_reference("Constant", [], ["c"], value_float=("by", 1)), n("Add", ["a", "c"], ["b"])], attributes=["by"]))
        return call(g, "Shift", x, by=2.5)
    s.add("functions", "attribute as a constant", constant)

    def optional(g, x):
        g.functions.append(function("Limit", ["a", "low", "high"], ["b"], [n("Clip", ["a", "low", "high"], ["b"])]))
        return [call(g, "Limit", x, "", g.const(0.5)), call(g, "Limit", x, g.const(-0.5))]
    s.add("functions", "input left out", optional)

    def unused(g, x):
        g.functions.append(function("Both", ["a"], ["b", "c"], [n("Neg", ["a"], ["b"]), n("Abs", ["a"], ["c"])]))
        g.domains["custom"] = 1
        g.nodes.append(helper.make_node("Both", [x], ["", "second"], domain="custom"))
        return "second"
    s.add("functions", "output left out", unused)

    def own_opset(g, x):
        g.functions.append(function("Soft", ["a"], ["b"], [n("Softmax", ["a"], ["b"], axis=1)], opset=17))
        return call(g, "Soft", x)
    s.add("functions", "opset of its own", own_opset, normal(2, 3, 4), 17)

    def passes_its_input(g, x):
        g.functions.append(function("Same", ["a"], ["b"], [n("Identity", ["a"], ["b"])]))
        return call(g, "Same", x)
    s.add("functions", "identity", passes_its_input)

    def weights(g, x):
        g.functions.append(function("Dense", ["a", "w", "k"], ["b"], [n("MatMul", ["a", "w"], ["t"]), n("Add", ["t", "k"], ["b"])]))
        hidden = call(g, "Dense", x, g.const(normal(4, 5)), g.const(normal(5)))
        return call(g, "Dense", hidden, g.const(normal(5, 2)), g.const(normal(2)))
    s.add("functions", "layers", weights)

    def same_names(g, x):
        # The names inside are those outside: they must not meet.
        g.functions.append(function("Odd", ["x"], ["t0_0"], [n("Neg", ["x"], ["c0"]), n("Abs", ["c0"], ["t0_0"])]))
        y = g.node("Add", x, g.const(3))
        return [call(g, "Odd", y), g.node("Mul", y, "c0")]
    s.add("functions", "names that are also outside", same_names)


def add_to(s):
    reductions(s)
    moves(s)
    resizing(s)
    transforms(s)
    functions(s)
