"""The JSON beside a network, with the mistakes of the published ones."""

import json


def tensor(name, shape, **more):
    return {"name": name, "type": "float", "shape": shape, **more}


def output(name, shape, op, purpose):
    """`purpose` None: the key is absent."""
    more = {} if purpose is None else {"output_purpose": purpose}
    return tensor(name, shape, op=op, **more)


def document(
    name, algorithm, rate, inputs, outputs, classes=(), embedding_model=None, types=("frozen_model",), **extra
):
    inference = {"sample_rate": rate, "algorithm": algorithm}
    if embedding_model:
        inference["embedding_model"] = embedding_model
    return {
        "name": name,
        "type": "multi-class classifier" if embedding_model else "feature extractor",
        "link": "",
        "version": "1",
        "description": "random weights, for tests",
        "author": "",
        "email": "",
        "release_date": "2026-01-01",
        "framework": "tensorflow",
        "framework_version": "2.8.0",
        **({} if classes is None else {"classes": classes if isinstance(classes, str) else list(classes)}),
        "model_types": list(types),
        "dataset": {"name": "none", "citation": "", "size": "", "metrics": {}},
        "schema": {"inputs": inputs, "outputs": outputs},
        "citation": "",
        "inference": inference,
        **extra,
    }


def text(document, trailing_commas):
    """Published files of 2025 have a comma after the last entry of some objects."""
    written = json.dumps(document, indent=4, ensure_ascii=False)
    if trailing_commas:
        written = written.replace("\n    }\n}", "\n    },\n}")
        written = written.replace("\n        ]\n    },", "\n        ],\n    },")
    return written + "\n"
