"""Writes the models that Essentia's authors publish, with random weights: graphs, names, shapes and metadata.

    make_zoo.py FOLDER [STEM ...] [--full] [--narrow] [--names json|onnx|colon] [--examples] [--seed N] [--list]

For each stem (all if none is given; `openl3-*` matches several) FOLDER gets STEM.onnx and STEM.json; with `--examples`
also STEM.input.npy, some inputs one per row, and STEM.<i>.npy, what onnxruntime makes of them for output `i`, in rows,
too. The families:

    discogs-effnet-*, discogs_*_embeddings-*   EfficientNet-B0 on [n, 128, 96]: 400 styles or 512 values, and 1280.
                                               bs64 and bs1 take 64 and 1 patches, no other number
    discogs-maest-*     transformer on standardised mel [b, T, 96]: logits, 12 layers' tokens, activations
    msd-musicnn-1       MusiCNN on [n, 187, 96]: 50 tags, their logits, 200 values before the rectifier
    audioset-vggish-3   VGG on [n, 96, 64]: 128 values
    audioset-yamnet-1   depthwise separable convolutions on [n, 96, 64]: 521 classes, 1024 values
    openl3-*            VGG on [n, bands, 199, 1]: 512 or 6144 values
    deepsquare, deeptemp  TempoCNN on [n, 40, 256, 1], bands by time: softmax over 30 to 285 BPM
    crepe-*             convolutions on 1024 samples: 360 bins of pitch
    fsd-sinet-*         VGG with low-pass filters or adaptive sampling on [n, 101, 96, 1]: 200 sounds, 256 or 512 values
    TASK-EMBEDDER-N     two dense layers on embeddings; genre_discogs*-discogs-maest-* on all tokens [n, tokens, 768]

The graphs are as TensorFlow's conversion writes them (MAEST: as PyTorch's exporter), in opset 13. Scales and shifts are
chosen layer by layer for synthetic music (`zoo/sounds.py`) so that outputs depend on the patch and are not saturated;
that is checked, and a network that fails is not written. Same seed, same bytes.

The metadata has the published mistakes: 786 for 768 and trailing commas (MAEST), 1200 for 1280 (approachability and
engagement), shapes without the batch or with other axes, an empty string for `classes` or none, and others.

Networks beyond some 60 MB (VGGish, CREPE full, MAEST of more than 5 s, with its heads) are narrow unless `--full` is
given: fewer channels, so that tokens of MAEST have 48 values; predictions and the 128 values of VGGish are as
published. Names and metadata stay as published, too; what this prints says which network is narrow. `--narrow` makes
the other MAEST, YAMNet, OpenL3, CREPE and FSD-SINet narrow as well, with their embeddings. All take some three minutes
of two cores, half of that with `--narrow`; a single one at most five seconds, except MAEST (5 s: 15 seconds, 342 MB).

`--names`: inputs and outputs are called as in the metadata; or as in the authors' ONNX files (`melspectrogram`,
`activations`, `embeddings`), or as in the metadata with `:0`.
"""

import argparse
import fnmatch
import sys
import time
from pathlib import Path

import numpy as np
import onnx

from zoo import metadata
from zoo.catalogue import catalogue
from zoo.graph import rename, run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("stems", nargs="*")
    parser.add_argument("--full", action="store_true", help="published shapes for large networks, too")
    parser.add_argument("--narrow", action="store_true", help="few channels wherever possible")
    parser.add_argument("--names", choices=["json", "onnx", "colon"], default="json")
    parser.add_argument("--examples", action="store_true", help="inputs, and onnxruntime's outputs for them")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--list", action="store_true", help="print the stems and write nothing")
    arguments = parser.parse_intermixed_args()
    models = catalogue()
    wanted = arguments.stems or ["*"]
    stems = [stem for stem in models if any(fnmatch.fnmatch(stem, pattern) for pattern in wanted)]
    unknown = [pattern for pattern in wanted if not fnmatch.filter(models, pattern)]
    if unknown:
        sys.exit(f"no such model: {', '.join(unknown)}; --list prints all")
    if arguments.list:
        print("\n".join(stems))
        return
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for stem in stems:
        make(stem, models[stem], arguments)


def make(stem, model, arguments):
    start = time.monotonic()
    narrow = model.can_narrow and (arguments.narrow or model.is_large and not arguments.full)
    graph = model.build(stem, arguments.seed, narrow)
    made = graph.model()
    if arguments.names == "onnx":
        rename(made, model.onnx_names)
    elif arguments.names == "colon":
        names = [info.name for info in [*made.graph.input, *made.graph.output]]
        rename(made, {name: f"{name}:0" for name in names if ":" not in name})
    onnx.checker.check_model(made, full_check=True)
    feed = graph.feed()
    values = outputs_of(made, feed)
    said = check(made, values, graph.distinct())
    bytes_ = made.SerializeToString()
    (arguments.folder / f"{stem}.onnx").write_bytes(bytes_)
    text = metadata.text(model.document, model.trailing_commas)
    (arguments.folder / f"{stem}.json").write_text(text)
    if arguments.examples:
        for index, value in enumerate([feed, *values]):
            name = f"{index - 1}" if index else "input"
            np.save(arguments.folder / f"{stem}.{name}.npy", value.reshape(len(value), -1))
    width = "narrow" if narrow else "full"
    print(f"{stem:46} {len(bytes_) / 1e6:7.2f} MB {time.monotonic() - start:5.1f} s  {width:6}  {said}", flush=True)


def outputs_of(model, feed):
    """What onnxruntime makes of the inputs, one at a time if the batch is fixed to one."""
    put = model.graph.input[0]
    if put.type.tensor_type.shape.dim[0].dim_value != 1:
        return run(model, {put.name: feed})
    parts = [run(model, {put.name: feed[i : i + 1]}) for i in range(len(feed))]
    return [np.concatenate(part) for part in zip(*parts)]


def check(model, values, distinct):
    """Outputs must depend on the input, and not be all 0 or 1; returns how much they do."""
    said = []
    for info, value in zip(model.graph.output, values):
        rows = value.reshape(len(value), -1)[:distinct].astype(np.float64)
        distances = [
            np.linalg.norm(a - b) / max(np.linalg.norm(a), np.linalg.norm(b))
            for i, a in enumerate(rows)
            for b in rows[:i]
        ]
        # Of few values, two inputs may have nearly the same by chance.
        nearest = min(distances) if rows.shape[1] > 16 else np.median(distances)
        is_bounded = value.min() >= 0 and value.max() <= 1
        saturated = np.mean((value < 1e-3) | (value > 1 - 1e-3)) if is_bounded and value.shape[-1] > 2 else 0.0
        if not np.isfinite(value).all() or nearest < 0.03:
            sys.exit(f"{model.graph.name}: {info.name}: outputs of two inputs differ by {nearest:.3f} of their length")
        if (
            is_bounded
            and np.ptp(value) < 0.01
            or saturated > 0.5
            and "oftmax" not in info.name
            and info.name != "output"
        ):
            between = f"between {value.min():.4f} and {value.max():.4f}, {saturated:.0%} of them 0 or 1"
            sys.exit(f"{model.graph.name}: {info.name}: {between}")
        said.append(f"{nearest:.2f}")
    return "nearest " + " ".join(said if len(said) < 5 else [said[0], "..", said[-1]])


if __name__ == "__main__":
    main()
