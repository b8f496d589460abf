"""Every published name: how its network is made, and its metadata."""

from dataclasses import dataclass, field

from . import effnet, heads, maest, networks
from .metadata import document, output, tensor

# Rate of the audio that a network hears.
RATES = {"PitchCREPE": 16000, "TempoCNN": 11025, "TensorflowPredictFSDSINet": 22050}


@dataclass
class Model:
    """One published model."""

    # Builds the graph: name, seed, and whether narrow.
    build: callable
    document: dict
    # What the ONNX files of the authors call inputs and outputs, by the names in the metadata.
    onnx_names: dict = field(default_factory=dict)
    # Whether the published shapes are so large that a narrow network takes their place unless all of it is asked for.
    is_large: bool = False
    # Whether there is a narrow one at all.
    can_narrow: bool = True
    trailing_commas: bool = False


def styles(count):
    return [f"Genre {i // 10}---Style {i}" for i in range(count)]


def tags(count):
    return [f"tag {i}" for i in range(count)]


def catalogue():
    models = {}
    for part in (of_effnet, of_maest, of_networks, of_heads):
        part(models)
    return models


EDITORIAL = ("artist", "label", "multi", "release", "track")


def of_effnet(models):
    def add(stem, batch, tail, width, classes):
        shape = [batch or "batch_size", 128, 96]
        models[stem] = Model(
            lambda name, seed, narrow: effnet.Effnet(name, seed, batch, tail),
            document(
                stem,
                "TensorflowPredictEffnetDiscogs",
                16000,
                [tensor("serving_default_melspectrogram", shape)],
                [
                    output(
                        "PartitionedCall:0",
                        [shape[0], width],
                        "Sigmoid" if classes else "fully connected",
                        "predictions" if classes else "embeddings",
                    ),
                    output("PartitionedCall:1", [shape[0], 1280], "Flatten", "embeddings"),
                ],
                classes,
                # What it was trained on is described at length in some.
                release_note="",
            ),
            {
                "serving_default_melspectrogram": "melspectrogram",
                "PartitionedCall:0": "activations",
                "PartitionedCall:1": "embeddings",
            },
            can_narrow=False,
        )

    for name, batch in (("bs64", 64), ("bs1", 1), ("bsdynamic", None)):
        add(f"discogs-effnet-{name}-1", batch, "activations", 400, styles(400))
    for kind in EDITORIAL:
        add(f"discogs_{kind}_embeddings-effnet-bs64-1", 64, "projection", 512, [])


# Stem between `discogs-maest-` and the version, frames, tokens.
MAEST = [
    ("5s-pw", 316, 281),
    ("10s-fs", 626, 560),
    ("10s-dw", 626, 560),
    ("10s-pw", 626, 560),
    ("20s-pw", 1256, 1127),
    ("30s-pw", 1876, 1685),
    ("30s-pw-ts", 1876, 1685),
    ("30s-pw-519l", 1876, 1685),
]


def of_maest(models):
    for kind, frames, tokens in MAEST:
        classes = 519 if kind.endswith("519l") else 400
        layers = [
            # 786 is the published mistake.
            output(
                f"PartitionedCall/Identity_{layer}", [1, tokens, 786], "Transformer", "embeddings" if layer == 7 else ""
            )
            for layer in range(1, 13)
        ]
        identity = "PartitionedCall/Identity"
        models[f"discogs-maest-{kind}-2"] = Model(
            lambda name, seed, narrow, frames=frames, classes=classes: maest.maest(
                name, seed, frames, classes, *((48, 3) if narrow else ())
            ),
            document(
                "MAEST",
                "TensorflowPredictMAEST",
                16000,
                [tensor("melspectrogram", [frames, 96] if kind == "20s-pw" else ["batch_size", frames, 96])],
                [
                    output(identity, [1, classes], "fully connected", "logits"),
                    *layers,
                    output(f"{identity}_13", [1, classes], "Sigmoid", "predictions"),
                ],
                styles(classes),
            ),
            {identity: "logits", f"{identity}_13": "activations"}
            | {f"{identity}_{layer}": f"layer_{layer}_embeddings" for layer in range(1, 13)},
            is_large=kind != "5s-pw",
            trailing_commas=kind.endswith("519l"),
        )


def of_networks(models):
    def add(stem, build, algorithm, inputs, outputs, classes=(), **more):
        rate = RATES.get(algorithm, 48000 if stem.startswith("openl3") else 16000)
        puts = [tensor(*inputs)]
        extra = {} if "music" in stem else {"extra": "a key that no schema has"}
        models[stem] = Model(
            build, document(stem, algorithm, rate, puts, [output(*one) for one in outputs], classes, **extra), **more
        )

    renamed = {
        "model/Placeholder": "melspectrogram",
        "model/Sigmoid": "activations",
        "model/dense_1/BiasAdd": "logits",
        "model/dense/BiasAdd": "embeddings",
    }
    add(
        "msd-musicnn-1",
        lambda name, seed, narrow: networks.musicnn(name, seed),
        "TensorflowPredictMusiCNN",
        ("model/Placeholder", [187, 96]),
        [
            ("model/Sigmoid", [1, 50], "Sigmoid", "predictions"),
            ("model/dense_1/BiasAdd", [1, 50], "fully connected", ""),
            ("model/dense/BiasAdd", [1, 200], "fully connected", "embeddings"),
        ],
        tags(50),
        onnx_names=renamed,
        can_narrow=False,
    )
    add(
        "audioset-vggish-3",
        lambda name, seed, narrow: networks.vggish(name, seed, *((16, 256) if narrow else ())),
        "TensorflowPredictVGGish",
        ("model/Placeholder", ["batch_size", 96, 64]),
        [("model/vggish/embeddings", ["batch_size", 128], "Flatten", "embeddings")],
        "",
        is_large=True,
        onnx_names={"model/Placeholder": "melspectrogram", "model/vggish/embeddings": "embeddings"},
    )
    add(
        "audioset-yamnet-1",
        lambda name, seed, narrow: networks.yamnet(name, seed, *((8,) if narrow else ())),
        "TensorflowPredictVGGish",
        ("melspectrogram", ["batch_size", 96, 64]),
        [
            ("activations", ["batch_size", 521], "Sigmoid", "predictions"),
            ("embeddings", ["batch_size", 1024], "Mean", "embeddings"),
        ],
        [f"class {i}" for i in range(521)],
    )
    for domain in ("env", "music"):
        for mel in (128, 256):
            for dims in (512, 6144):
                # No algorithm of Essentia's makes its input.
                add(
                    f"openl3-{domain}-mel{mel}-emb{dims}-3",
                    lambda name, seed, narrow, mel=mel, dims=dims: networks.openl3(
                        name, seed, mel, dims, *((8,) if narrow else ())
                    ),
                    "",
                    ("melspectrogram", ["batch_size", mel, 199, 1]),
                    [("embeddings", ["batch_size", dims], "Flatten", "embeddings")],
                    "",
                )
    tempi = [str(30 + i) for i in range(256)]
    for stem, square, k in (("deepsquare-k16-3", True, 16), ("deeptemp-k4-3", False, 4), ("deeptemp-k16-3", False, 16)):
        add(
            stem,
            lambda name, seed, narrow, square=square, k=k: networks.tempocnn(name, seed, square, k),
            "TempoCNN",
            ("input", [1, 40, 256, 1]),
            [("output", [1, 256], "Softmax", "predictions")],
            tempi,
            can_narrow=False,
        )
    for size, c in (("tiny", 4), ("small", 8), ("medium", 16), ("large", 24), ("full", 32)):
        # The published files list no classes.
        add(
            f"crepe-{size}-1",
            lambda name, seed, narrow, c=c: networks.crepe(name, seed, 2 if narrow else c),
            "PitchCREPE",
            ("frames", ["batch_size", 1024]),
            [("model/classifier/Sigmoid", ["batch_size", 360], "Sigmoid", "predictions")],
            None,
            is_large=size == "full",
        )
    for kind, k, pooling in (
        ("vgg41-tlpf", 1, "tlpf"),
        ("vgg42-tlpf", 2, "tlpf"),
        ("vgg42-aps", 2, "aps"),
        ("vgg42-tlpf_aps", 2, "both"),
    ):
        # The metadata leaves the last axis of the input out.
        add(
            f"fsd-sinet-{kind}-1",
            lambda name, seed, narrow, k=k, pooling=pooling: networks.sinet(
                name, seed, k, pooling, *((8,) if narrow else ())
            ),
            "TensorflowPredictFSDSINet",
            ("x", [1, 101, 96]),
            [
                ("model/predictions/Sigmoid", [1, 200], "Sigmoid", "predictions"),
                ("model/global_max_pooling1d/Max", [1, 256 * k], "Max", "embeddings"),
            ],
            [f"sound {i}" for i in range(200)],
        )


ALGORITHMS = {
    "msd-musicnn": "TensorflowPredictMusiCNN",
    "audioset-vggish": "TensorflowPredictVGGish",
    "audioset-yamnet": "TensorflowPredictVGGish",
    "discogs-effnet": "TensorflowPredictEffnetDiscogs",
}
# What heads say they are fed by; `bs64` is the stale name.
EMBEDDERS = {
    "msd-musicnn": "msd-musicnn-1",
    "audioset-vggish": "audioset-vggish-3",
    "audioset-yamnet": "audioset-yamnet-1",
    "discogs-effnet": "discogs-effnet-bs64-1",
    "openl3-music-mel128-emb512": "openl3-music-mel128-emb512-3",
}
TWO = {
    "danceability": ("danceable", "not_danceable"),
    "gender": ("female", "male"),
    "mood_acoustic": ("acoustic", "non_acoustic"),
    "mood_aggressive": ("aggressive", "not_aggressive"),
    "mood_electronic": ("electronic", "non_electronic"),
    "mood_happy": ("happy", "non_happy"),
    "mood_party": ("non_party", "party"),
    "mood_relaxed": ("non_relaxed", "relaxed"),
    "mood_sad": ("non_sad", "sad"),
    "tonal_atonal": ("atonal", "tonal"),
    "voice_instrumental": ("instrumental", "voice"),
}
ON_EFFNET = {
    "approachability_2c": 2,
    "approachability_3c": 3,
    "engagement_2c": 2,
    "engagement_3c": 3,
    "timbre": 2,
    "nsynth_acoustic_electronic": 2,
    "nsynth_bright_dark": 2,
    "nsynth_reverb": 2,
    "nsynth_instrument": 11,
    "genre_electronic": 5,
}


def of_heads(models):
    def add(
        task,
        embedder,
        classes,
        kind,
        names=None,
        version=1,
        hidden=100,
        width=None,
        batched=True,
        purpose="predictions",
        named=True,
    ):
        dims = heads.statistics(embedder)[0]
        names = names or ("model/Placeholder", f"model/{kind}")
        labels = classes if isinstance(classes, (list, tuple)) else tags(classes)
        algorithm = ALGORITHMS["discogs-effnet"] if embedder.endswith("-effnet") else ALGORITHMS.get(embedder, "")
        count = len(labels)
        shape = [width or dims]
        stem = EMBEDDERS.get(embedder) or f"{embedder}-bs64-1"
        models[f"{task}-{embedder}-{version}"] = Model(
            lambda name, seed, narrow: heads.head(name, seed, embedder, names, count, kind, hidden),
            document(
                task,
                "TensorflowPredict2D",
                48000 if embedder.startswith("openl3") else 16000,
                [tensor(names[0], [1, *shape] if batched else shape)],
                [output(names[1], ["batch_size", count] if batched else [1, count], kind, purpose)],
                labels if named else None,
                {"algorithm": algorithm, "model_name": stem, "link": f"https://essentia.upf.edu/models/{stem}.pb"},
            ),
            {names[0]: "embeddings", names[1]: "activations"},
            can_narrow=False,
        )

    saved = ("serving_default_model_Placeholder", "PartitionedCall")
    for embedder in EMBEDDERS:
        for task, classes in TWO.items():
            add(task, embedder, classes, "Softmax", batched=task != "mood_happy")
        for task, count in (("genre_dortmund", 9), ("genre_rosamerica", 8), ("genre_tzanetakis", 10)):
            add(task, embedder, count, "Softmax")
    for task, count in ON_EFFNET.items():
        # 1200 is the published mistake.
        stale = 1200 if task[:5] in ("appro", "engag") else None
        add(task, "discogs-effnet", count, "Softmax", width=stale, hidden=512 if task.startswith("nsynth") else 100)
    many = [
        ("mtg_jamendo_genre", 87),
        ("mtg_jamendo_instrument", 40),
        ("mtg_jamendo_moodtheme", 56),
        ("mtg_jamendo_top50tags", 50),
        ("mtt", 50),
    ]
    for task, count in many:
        add(task, "discogs-effnet", count, "Sigmoid", hidden=512)
    for kind in EDITORIAL:
        for task, count in [*many, ("fma_small", 8)]:
            add(task, f"discogs_{kind}_embeddings-effnet", count, "Sigmoid", hidden=512)
    for task in ("approachability_regression", "engagement_regression"):
        add(task, "discogs-effnet", [task.split("_")[0]], "Identity", width=1200, purpose="")
    add(
        "genre_discogs400",
        "discogs-effnet",
        styles(400),
        "Sigmoid",
        ("serving_default_model_Placeholder", "PartitionedCall:0"),
        hidden=512,
    )
    for embedder in ("msd-musicnn", "audioset-vggish"):
        for task in ("deam", "emomusic", "muse"):
            add(task, embedder, ["valence", "arousal"], "Identity", version=2)
            add(
                task,
                embedder,
                ["valence", "arousal"],
                "Identity",
                ("flatten_in_input", "dense_out"),
                named=False,
                purpose=None,
            )
        add("moods_mirex", embedder, 5, "Softmax", saved)
    for task, count in (("fs_loop_ds", 5), ("msd", 50)):
        add(task, "msd-musicnn", count, "Softmax" if count == 5 else "Sigmoid", saved)
    for kind, _, tokens in MAEST:
        classes = 519 if kind.endswith("519l") else 400
        models[f"genre_discogs{classes}-discogs-maest-{kind}-1"] = Model(
            lambda name, seed, narrow, tokens=tokens, classes=classes: heads.maest_head(
                name, seed, tokens, 48 if narrow else 768, classes
            ),
            document(
                f"genre discogs{classes}",
                "TensorflowPredict",
                16000,
                # 96 is the published mistake, and the layer is the last, whatever the metadata of MAEST calls embeddings.
                [tensor("embeddings", ["batch_size", tokens, 96 if kind == "5s-pw" else 768])],
                [
                    output("PartitionedCall/Identity", [1, classes], "fully connected", "logits"),
                    output("PartitionedCall/Identity_1", [1, classes], "Sigmoid", "predictions"),
                ],
                styles(classes),
                {
                    "algorithm": "TensorflowPredictMAEST",
                    "model_name": f"discogs-maest-{kind}-2",
                    "link": f"https://essentia.upf.edu/models/discogs-maest-{kind}-2.pb",
                },
            ),
            {"PartitionedCall/Identity": "logits", "PartitionedCall/Identity_1": "activations"},
            # As its network is: narrow together.
            is_large=kind != "5s-pw",
            trailing_commas=kind.endswith("519l"),
        )
