"""Stores what scikit-learn makes of scores.

    metrics_reference.py OUT.json

Needs numpy and scikit-learn. The values made with scikit-learn 1.9.1 are `tests/data/evaluation/metrics.json`, which the
unit tests of `evaluation/metrics` compare with. Scores are single precision, as an encoder's head gives them. A class for
which scikit-learn raises, or warns that the figure is undefined, is null, and is left out of the macro mean.
"""

import json
import sys
import warnings

import numpy as np
from sklearn.metrics import accuracy_score, average_precision_score, roc_auc_score


def figure(function, truth, scores):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            value = float(function(truth, scores))
        except (ValueError, UserWarning):
            return None
    return value if np.isfinite(value) else None


def macro(function, truth, scores, figures):
    """By scikit-learn's own macro mean, over the classes that have a figure."""
    kept = [index for index, value in enumerate(figures) if value is not None]
    return float(function(truth[:, kept], scores[:, kept], average="macro")) if kept else None


def multi_label(name, truth, scores):
    scores = np.asarray(scores, np.float32)
    truth = np.asarray(truth, int)
    roc = [figure(roc_auc_score, truth[:, i], scores[:, i]) for i in range(truth.shape[1])]
    precision = [figure(average_precision_score, truth[:, i], scores[:, i]) for i in range(truth.shape[1])]
    return {
        "name": name,
        "scores": scores.astype(float).tolist(),
        "truth": truth.tolist(),
        "roc_auc": roc,
        "average_precision": precision,
        "macro_roc_auc": macro(roc_auc_score, truth, scores, roc),
        "macro_average_precision": macro(average_precision_score, truth, scores, precision),
    }


def single_label(name, classes, scores):
    scores = np.asarray(scores, np.float32)
    return {
        "name": name,
        "scores": scores.astype(float).tolist(),
        "classes": [int(value) for value in classes],
        "accuracy": float(accuracy_score(classes, scores.argmax(1))),
    }


def main():
    random = np.random.default_rng(7)
    cases = []

    def truth(tracks, classes, share):
        return random.random((tracks, classes)) < share

    for tracks, classes, share in [(40, 5, 0.3), (200, 8, 0.05), (13, 3, 0.5)]:
        scores = random.random((tracks, classes))
        cases.append(multi_label(f"{tracks} tracks", truth(tracks, classes, share), scores))
    cases.append(multi_label("scores with ties", truth(60, 5, 0.3), random.integers(0, 4, (60, 5)) / 4))
    cases.append(multi_label("all scores equal", truth(20, 3, 0.4), np.full((20, 3), 0.5)))
    cases.append(multi_label("scores of 0 and 1", truth(20, 3, 0.4), truth(20, 3, 0.4)))
    perfect = truth(20, 3, 0.4)
    cases.append(multi_label("perfect", perfect, perfect))
    cases.append(multi_label("perfectly wrong", perfect, 1.0 - perfect))
    absent = truth(30, 4, 0.4)
    absent[:, 1] = False
    cases.append(multi_label("a class without examples", absent, random.random((30, 4))))
    everywhere = truth(30, 4, 0.4)
    everywhere[:, 2] = True
    cases.append(multi_label("a class that all have", everywhere, random.random((30, 4))))
    one = np.zeros((15, 2), bool)
    one[4, 0] = True
    one[:, 1] = True
    cases.append(multi_label("a single example", one, random.random((15, 2))))
    cases.append(multi_label("nothing has a figure", np.zeros((5, 2), bool), random.random((5, 2))))
    cases.append(multi_label("scores beyond a probability", truth(50, 4, 0.2), random.normal(0, 1e6, (50, 4))))
    cases.append(multi_label("tiny scores", truth(50, 4, 0.2), random.random((50, 4)) * 1e-38))
    cases.append(single_label("eight classes", random.integers(0, 8, 100), random.random((100, 8))))
    cases.append(single_label("ties between classes", random.integers(0, 3, 50), random.integers(0, 2, (50, 3))))
    cases.append(single_label("one class", [0, 0, 0], random.random((3, 1))))
    with open(sys.argv[1], "w") as file:
        json.dump({"cases": cases}, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
