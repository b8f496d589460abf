#!/usr/bin/env python3
"""Converts the networks of the PyPI package `musicnn` to ONNX, and proves the result.

    python3 -m venv target/convert
    target/convert/bin/pip install -r models/requirements.txt
    target/convert/bin/python models/convert_musicnn.py

It fetches the wheel by name, checks its hash, and writes beside itself `msd-musicnn-1.{onnx,json}` and
`mtt-musicnn-1.{onnx,json}`; and, as what the tests compare with, the outputs of the package's own TensorFlow
graphs on patches of the recordings in `examples/audio/` (`tests/data/musicnn/`). It fails, and writes nothing,
if the converted graph strays from TensorFlow's by more than the tolerances below.

Three things differ from the TensorFlow graph; each is exact up to the rounding of float32:
- Batch norm after the front-end convolutions is applied after the maximum over frequency instead of before it.
  An affine map does not change which value is the largest if its scale is positive; where it is negative the
  filter is stored with its sign flipped. ReLU commutes with the maximum likewise.
- The batch norm before the first dense layer is folded into it, and the order of that layer's columns changed,
  so that the maxima and the means over time need no interleaving.
- Filters of the front end that training has driven to zero (weights below about 1e-8; in the MSD network, 497 of
  561) give a constant whatever they hear. `dead()` bounds how far each can move from its constant, and those that
  cannot move visibly are left out, their constant going to the biases that follow.
  That is nine tenths of the arithmetic of the MSD network.
Weights are stored in half precision and widened by Cast nodes, so that all arithmetic is in float32.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
WHEEL = "musicnn-0.1.0-py3-none-any.whl"
WHEEL_SHA256 = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"

FRAMES, HOP, BANDS = 187, 93, 96
BATCH_NORM_EPSILON = 1e-3
# The largest input a mel band can hold is log10(10000 E + 1); a full-scale sine gives 6.5.
LARGEST_INPUT = 8.0
# How far a filter's output may move from a constant, over all possible inputs, and still count as one.
DEAD = 1e-6
# What the tests allow: tags absolute, embeddings relative to the largest of the patch.
TAGS_TOLERANCE, EMBEDDINGS_TOLERANCE = 2e-3, 1e-2

# Front-end convolutions in the order their features are concatenated: (name, frames, bands).
FRONT_END = [("timbral_38", 7, 38), ("timbral_67", 7, 67), ("temporal_128", 128, 1), ("temporal_64", 64, 1), ("temporal_32", 32, 1)]

TENSORFLOW_OUTPUTS = ["model/Sigmoid", "model/batch_normalization_10/batchnorm/add_1", "model/dense/BiasAdd"]


# ---------------------------------------------------------------------------------------------- the package

def fetch_wheel(folder):
    """Downloads the wheel by name and checks its hash."""
    wheel = folder / WHEEL
    if not wheel.exists():
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, "musicnn==0.1.0"], check=True)
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
        sys.exit(f"{wheel} is not the wheel this script was written for")
    return wheel


class Checkpoint:
    """One network of the package: its variables, its labels and its TensorFlow graph."""

    def __init__(self, package, name):
        import tensorflow as tf

        self.tf, self.name = tf, name
        # The files are named `.index` and `.data-...`; TensorFlow wants a stem in front.
        for file in list((package / name).iterdir()):
            if file.name.startswith((".index", ".data-")):
                file.rename(package / f"{name}.ckpt{file.name}")
        self.reader = tf.train.load_checkpoint(str(package / f"{name}.ckpt"))
        self.meta = (package / name / ".meta").read_bytes()
        configuration = {}
        exec((package / "configuration.py").read_text(), configuration)  # plain assignments
        self.labels = configuration[f"{name[:3]}_LABELS"]

    def __getitem__(self, variable):
        return self.reader.get_tensor(variable).astype(np.float64)

    def layer(self, kind, index):
        """Kernel and bias of a layer as TensorFlow numbers them: conv2d, conv2d_1, ..."""
        stem = kind if index == 0 else f"{kind}_{index}"
        return self[f"{stem}/kernel"], self[f"{stem}/bias"]

    def batch_norm(self, index):
        """Scale and shift of a batch norm."""
        stem = "batch_normalization" if index == 0 else f"batch_normalization_{index}"
        scale = self[f"{stem}/gamma"] / np.sqrt(self[f"{stem}/moving_variance"] + BATCH_NORM_EPSILON)
        return scale, self[f"{stem}/beta"] - self[f"{stem}/moving_mean"] * scale

    def run_tensorflow(self, patches, outputs=TENSORFLOW_OUTPUTS):
        """Values of the package's own graph: tags, its feature `penultimate`, and the dense layer before its ReLU."""
        tf1 = self.tf.compat.v1
        meta = tf1.MetaGraphDef()
        meta.ParseFromString(self.meta)
        graph = tf1.graph_util.extract_sub_graph(meta.graph_def, outputs)
        for node in graph.node:
            node.attr.pop("_output_shapes", None)
            node.attr.pop("_class", None)
            if node.op == "VariableV2":
                value = self.tf.make_tensor_proto(self.reader.get_tensor(node.name))
                dtype = node.attr["dtype"].type
                node.op = "Const"
                node.ClearField("attr")
                node.attr["dtype"].type = dtype
                node.attr["value"].tensor.CopyFrom(value)
        with self.tf.Graph().as_default(), tf1.Session() as session:
            tf1.import_graph_def(graph, name="")
            feed = {"model/Placeholder:0": patches, "model/Placeholder_2:0": False}
            return session.run([f"{name}:0" for name in outputs], feed)


# ------------------------------------------------------------------------------------------------- the graph

class Graph:
    """Nodes and initialisers, collected under readable names."""

    def __init__(self):
        self.nodes, self.initialisers = [], []

    def value(self, name, array, half=False):
        """A constant. Matrices and kernels go in half precision, behind a Cast; the few vectors stay as they are."""
        if not half:
            self.initialisers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
            return name
        self.initialisers.append(numpy_helper.from_array(np.asarray(array, np.float16), f"{name}.half"))
        return self.node("Cast", [f"{name}.half"], name, to=TensorProto.FLOAT)

    def node(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], name=f"{output}/{op}", **attributes))
        return output

    def affine(self, x, scale, shift, name, shape):
        scale = self.value(f"{name}.scale", np.reshape(scale, shape).astype(np.float32))
        shift = self.value(f"{name}.shift", np.reshape(shift, shape).astype(np.float32))
        return self.node("Add", [self.node("Mul", [x, scale], f"{name}.scaled"), shift], name)


def dead(kernel, scale, largest):
    """Which filters cannot move by more than DEAD from a constant, whatever they hear.

    |scale (relu(w . x + b) - relu(b))| <= |scale| sum|w| max|x|, because ReLU is 1-Lipschitz.
    """
    return np.abs(scale) * np.abs(kernel).sum(axis=(0, 1, 2)) * largest <= DEAD


def build(network, keep_dead):
    """The ONNX graph of one network, and what to say about it."""
    graph, notes = Graph(), {}
    scale, shift = (float(x[0]) for x in network.batch_norm(0))
    largest = max(abs(shift), abs(scale * LARGEST_INPUT + shift))
    x = graph.affine("melspectrogram", scale, shift, "normalised", (1,))
    x = graph.node("Unsqueeze", [x, graph.value("channel_axis", np.array([1], np.int64))], "image")

    # Front end: each convolution, then its maximum over frequency.
    pooled, alive, constants, signs, scales, shifts = [], [], [], [], [], []
    for index, (name, frames, bands) in enumerate(FRONT_END):
        kernel, bias = network.layer("conv2d", index)
        assert kernel.shape[:3] == (frames, bands, 1)
        scale, shift = network.batch_norm(index + 1)
        gone = np.zeros(len(bias), bool) if keep_dead else dead(kernel, scale, largest)
        alive.append(~gone)
        constants.append(scale * np.maximum(bias, 0) + shift)
        sign = np.where(scale < 0, -1.0, 1.0)
        weight = (kernel * sign).transpose(3, 2, 0, 1)[~gone]  # filters, channels, frames, bands
        inputs = [x, graph.value(f"{name}.weight", weight, half=True), graph.value(f"{name}.bias", (sign * bias)[~gone].astype(np.float32))]
        # TensorFlow's "same": of an even kernel, the odd frame of padding comes last.
        before, after = (frames - 1) // 2, frames - 1 - (frames - 1) // 2
        y = graph.node("Conv", inputs, f"{name}.convolved", kernel_shape=[frames, bands], pads=[before, 0, after, 0])
        pooled.append(graph.node("ReduceMax", [y], f"{name}.pooled", axes=[3], keepdims=0))
        signs.append(sign[~gone]), scales.append(scale[~gone]), shifts.append(shift[~gone])
        notes[name] = f"{int((~gone).sum())} of {len(bias)} filters"
    alive, constants = np.concatenate(alive), np.concatenate(constants)
    x = graph.node("Concat", pooled, "front_end.pooled", axis=1)
    sign = graph.value("front_end.sign", np.concatenate(signs).astype(np.float32).reshape(1, -1, 1))
    x = graph.node("Relu", [graph.node("Mul", [x, sign], "front_end.signed")], "front_end.rectified")
    front_end = graph.affine(x, np.concatenate(scales), np.concatenate(shifts), "front_end", (1, -1, 1))

    # Middle: three convolutions over time, the last two with a residual connection.
    features, x = [front_end], front_end
    for index, name in enumerate(["middle_1", "middle_2", "middle_3"], start=5):
        kernel, bias = network.layer("conv2d", index)
        weight = kernel[:, :, 0, :].transpose(2, 1, 0)  # filters, channels, frames
        y_inputs = [x]
        if name == "middle_1":
            # What the filters left out add: their constants, through those taps that lie inside the patch.
            inside = np.array([[0 <= t + tap - 3 < FRAMES for tap in range(7)] for t in range(FRAMES)], float)
            added = np.einsum("fct,c,nt->fn", weight[:, ~alive], constants[~alive], inside)
            bias = bias + added[:, FRAMES // 2]
            at_edges = np.abs(added - added[:, [FRAMES // 2]]).max()
            notes["constants_at_edges"] = float(at_edges)
            assert at_edges < 1e-4, "the constants of dead filters matter at a patch's edges"
            weight = weight[:, alive]
        y_inputs += [graph.value(f"{name}.weight", weight, half=True), graph.value(f"{name}.bias", bias.astype(np.float32))]
        y = graph.node("Conv", y_inputs, f"{name}.convolved", kernel_shape=[7], pads=[3, 3])
        y = graph.node("Relu", [y], f"{name}.rectified")
        if name == "middle_1":
            x = graph.affine(y, *network.batch_norm(index + 1), name, (1, -1, 1))
        else:
            y = graph.affine(y, *network.batch_norm(index + 1), f"{name}.normalised", (1, -1, 1))
            x = graph.node("Add", [y, x], name)
        features.append(x)

    # Back end: maximum and mean over time, two dense layers.
    x = graph.node("Concat", features, "features", axis=1)
    maximum = graph.node("ReduceMax", [x], "features.maximum", axes=[2], keepdims=0)
    mean = graph.node("ReduceMean", [x], "features.mean", axes=[2], keepdims=0)
    x = graph.node("Concat", [maximum, mean], "features.pooled", axis=1)
    kernel, bias = network.layer("dense", 0)
    scale, shift = network.batch_norm(9)
    bias = bias + shift @ kernel
    kernel = kernel * scale[:, None]
    kept = np.concatenate([alive, np.ones(len(kernel) // 2 - len(alive), bool)])
    of_maximum, of_mean = kernel[0::2], kernel[1::2]  # TensorFlow interleaves them
    bias = bias + constants[~alive] @ (of_maximum + of_mean)[~kept]
    weight = np.concatenate([of_maximum[kept], of_mean[kept]])
    dense = graph.node("Gemm", [x, graph.value("dense.weight", weight, half=True), graph.value("dense.bias", bias.astype(np.float32))], "dense")
    x = graph.node("Relu", [dense], "dense.rectified")
    embeddings = graph.affine(x, *network.batch_norm(10), "embeddings", (-1,))
    kernel, bias = network.layer("dense", 1)
    logits = graph.node("Gemm", [embeddings, graph.value("tags.weight", kernel, half=True), graph.value("tags.bias", bias.astype(np.float32))], "logits")
    graph.node("Sigmoid", [logits], "predictions")
    return graph, notes


DATASETS = {
    "MSD_musicnn": {
        "stem": "msd-musicnn-1",
        "name": "MSD MusiCNN",
        "description": "prediction of the top-50 Last.fm tags of the Million Song Dataset",
        "dataset": "The Million Song Dataset, with Last.fm tags",
        "dataset_citation": "@inproceedings{bertin2011million,\n  title={The million song dataset},\n  author={Bertin-Mahieux, Thierry and Ellis, Daniel P. W. and Whitman, Brian and Lamere, Paul},\n  booktitle={Proceedings of the 12th International Society for Music Information Retrieval Conference (ISMIR)},\n  year={2011}\n}",
        "size": "200k tracks",
        # `experiment.result` in the wheel.
        "metrics": {"ROC-AUC": 0.8802, "PR-AUC": 0.2891},
    },
    "MTT_musicnn": {
        "stem": "mtt-musicnn-1",
        "name": "MTT MusiCNN",
        "description": "prediction of the top-50 tags of the MagnaTagATune dataset",
        "dataset": "The MagnaTagATune dataset",
        "dataset_citation": "@inproceedings{law2009evaluation,\n  title={Evaluation of algorithms using games: the case of music tagging},\n  author={Law, Edith and West, Kris and Mandel, Michael I. and Bay, Mert and Downie, J. Stephen},\n  booktitle={Proceedings of the 10th International Society for Music Information Retrieval Conference (ISMIR)},\n  year={2009}\n}",
        "size": "19k clips of 30 s",
        "metrics": {"ROC-AUC": 0.9067, "PR-AUC": 0.3831},
    },
}

CITATION = (
    "@inproceedings{pons2018endtoend,\n  title={End-to-end learning for music audio tagging at scale},\n"
    "  author={Pons, Jordi and Nieto, Oriol and Prockup, Matthew and Schmidt, Erik M. and Ehmann, Andreas F. and Serra, Xavier},\n"
    "  booktitle={Proceedings of the 19th International Society for Music Information Retrieval Conference (ISMIR)},\n  year={2018}\n}\n"
    "@inproceedings{pons2019musicnn,\n  title={musicnn: pre-trained convolutional neural networks for music audio tagging},\n"
    "  author={Pons, Jordi and Serra, Xavier},\n  booktitle={Late-breaking/demo session of ISMIR},\n  year={2019}\n}"
)

OUTPUTS = [
    ("predictions", 50, "Sigmoid", "predictions", "activations of the tags, each between 0 and 1"),
    ("embeddings", 200, "fully connected", "embeddings", "the package's feature `penultimate`: dense layer, ReLU, batch norm"),
    ("dense", 200, "fully connected", None, "the same layer before its ReLU; heads trained on `model/dense/BiasAdd` take this one"),
]


def as_model(graph, about, outputs=OUTPUTS, network="MusiCNN", converter="convert_musicnn.py"):
    """The graph with its inputs, outputs and descriptions."""
    def typed(name, shape, doc):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape, doc_string=doc)

    onnx_graph = helper.make_graph(
        graph.nodes,
        about["stem"],
        [typed("melspectrogram", ["patches", FRAMES, BANDS], "log10(10000 mel + 1), [patches, frames, bands]")],
        [typed(name, ["patches", dim], doc) for name, dim, _, _, doc in outputs],
        graph.initialisers,
        doc_string=f"{about['name']}: {about['description']}",
    )
    model = helper.make_model(
        onnx_graph,
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
        producer_name=converter,
        doc_string=f"{network} by Jordi Pons, converted from the TensorFlow checkpoint in the Python package musicnn 0.1.0. "
        "Weights in half precision, arithmetic in single.",
    )
    helper.set_model_props(model, {
        "name": about["name"],
        "licence": "ISC, Copyright (c) Music Technology Group, Universitat Pompeu Fabra 2019",
        "source": f"{WHEEL}, sha256 {WHEEL_SHA256}",
        "sample_rate": "16000",
    })
    onnx.checker.check_model(model, full_check=True)
    return model


def metadata(about, labels, of=OUTPUTS):
    """The model's JSON, in the schema of Essentia's published models."""
    outputs = []
    for name, dim, op, purpose, doc in of:
        output = {"name": name, "type": "float", "shape": ["patches", dim], "op": op, "description": doc}
        outputs.append(output | ({"output_purpose": purpose} if purpose else {}))
    return {
        "name": about["name"],
        "type": "auto-tagging",
        "link": "https://github.com/jordipons/musicnn",
        "version": "1",
        "description": about["description"],
        "author": "Jordi Pons",
        "email": "",
        "release_date": "2019",
        "framework": "onnx",
        "framework_version": onnx.__version__,
        "license": "ISC",
        "classes": labels,
        "model_types": ["onnx"],
        "dataset": {"name": about["dataset"], "citation": about["dataset_citation"], "size": about["size"], "metrics": about["metrics"]},
        "schema": {
            "inputs": [{"name": "melspectrogram", "type": "float", "shape": ["patches", FRAMES, BANDS]}],
            "outputs": outputs,
        },
        "citation": CITATION,
        "inference": {"sample_rate": 16000, "algorithm": "TensorflowPredictMusiCNN"},
    }


# ------------------------------------------------------------------------------------------------- the proof

def patches_of_recordings():
    """Two patches of each recording and one of silence, `[7, 187, 96]`, rounded to half precision."""
    import essentia
    import essentia.standard as es

    essentia.log.infoActive = essentia.log.warningActive = False
    mel, patches = es.TensorflowInputMusiCNN(), []
    for file in sorted((REPOSITORY / "examples/audio").iterdir()):
        if file.suffix not in (".ogg", ".mp3"):
            continue
        audio = es.MonoLoader(filename=str(file), sampleRate=16000, resampleQuality=4)()
        frames = np.array([mel(frame) for frame in es.FrameGenerator(audio, frameSize=512, hopSize=256)])
        for start in (len(frames) // 3, 2 * len(frames) // 3):
            patches.append(frames[start : start + FRAMES])
    patches.append(np.zeros((FRAMES, BANDS)))
    return np.array(patches, np.float16)


def deviation(outputs, expected):
    """Of tags the largest difference; of embeddings the largest relative to the patch's largest value."""
    relative = [np.abs(a - b).max(axis=1) / np.abs(b).max(axis=1) for a, b in zip(outputs[1:], expected[1:])]
    return [float(np.abs(outputs[0] - expected[0]).max())] + [float(r.max()) for r in relative]


def run_onnx(model, patches, outputs=OUTPUTS):
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run([name for name, *_ in outputs], {"melspectrogram": patches})


def write(files):
    """Writes bytes and arrays, and says what the models' hashes are."""
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
            print(f"{path.name}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")
        else:
            np.save(path, content)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep-dead", action="store_true", help="keep the filters that give a constant (for comparison)")
    parser.add_argument("--output", type=Path, default=HERE, help="where the models go (default: beside this script)")
    parser.add_argument("--downloads", type=Path, default=REPOSITORY / "target/convert", help="where the wheel is kept")
    arguments = parser.parse_args()

    golden = REPOSITORY / "tests/data/musicnn"
    patches = patches_of_recordings()
    single = patches.astype(np.float32)
    # Loud, dense input that no recording would give, to see that nothing depends on the input being tame.
    random = np.random.default_rng(1).uniform(0, 6, (3, FRAMES, BANDS)).astype(np.float32)
    wheel = fetch_wheel(arguments.downloads)
    written = {}
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(wheel).extractall(folder)
        for name, about in DATASETS.items():
            network = Checkpoint(Path(folder) / "musicnn", name)
            graph, notes = build(network, arguments.keep_dead)
            model = as_model(graph, about)
            expected = network.run_tensorflow(single)
            found = deviation(run_onnx(model, single), expected)
            loud = deviation(run_onnx(model, random), network.run_tensorflow(random))
            print(f"{about['stem']}: {notes}")
            for what, (tags, embeddings, dense) in (("recordings", found), ("loud noise", loud)):
                print(f"  against TensorFlow, {what}: tags {tags:.2e}, embeddings {embeddings:.2e}, dense {dense:.2e}")
                assert tags < TAGS_TOLERANCE and max(embeddings, dense) < EMBEDDINGS_TOLERANCE, "too far from TensorFlow"
            text = json.dumps(metadata(about, network.labels), indent=4, ensure_ascii=False) + "\n"
            written[arguments.output / f"{about['stem']}.onnx"] = model.SerializeToString()
            written[arguments.output / f"{about['stem']}.json"] = text.encode()
            if arguments.output == HERE:
                for (output, *_), values in zip(OUTPUTS, expected):
                    written[golden / f"{about['stem']}.{output}.npy"] = values
                written[golden / "patches.npy"] = patches
    write(written)


if __name__ == "__main__":
    main()
