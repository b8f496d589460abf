"""Tables and scikit-learn."""

from __future__ import annotations

import pathlib
import warnings

import numpy as np
import pytest
from conftest import RECORDINGS

import sleeve


@pytest.fixture(scope="module")
def outcomes(extractor: sleeve.Extractor) -> list[sleeve.Result | sleeve.Failure]:
    short = (np.full(1_000, 0.1), 16_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(extractor.extract_many([RECORDINGS[0], "missing.mp3", short, RECORDINGS[2]], on_error="yield"))


def test_pandas(outcomes: list[sleeve.Result | sleeve.Failure]) -> None:
    table = sleeve.to_table(outcomes)
    assert list(table.columns[:6]) == ["source", "seconds", "patches", "embedding", "error", "tag.rock"]
    assert table.shape == (4, 55) and table["patches"].tolist()[0] == 18 and table["patches"].isna().tolist()[1]
    assert np.array_equal(table["embedding"][0], outcomes[0].mean())  # type: ignore[union-attr]
    assert table["embedding"][1] is None and table["embedding"][2] is None
    assert table["error"][1].startswith("FileNotFoundError: ") and table["error"].isna().tolist() == [True, False, True, True]
    assert table["tag.rock"].dtype == np.float32 and table["tag.rock"].isna().tolist() == [False, True, True, False]
    patches = sleeve.to_table(outcomes, per="patch")
    assert len(patches) == 18 + 16 and patches["time"][1] == pytest.approx(1.488)
    assert patches["patch"].tolist() == [*range(18), *range(16)]
    assert np.array_equal(patches["embedding"][20], outcomes[3].embeddings[2])  # type: ignore[union-attr]


def test_polars(outcomes: list[sleeve.Result | sleeve.Failure]) -> None:
    import polars

    table = sleeve.to_table(outcomes, to="polars")
    assert table.schema["embedding"] == polars.Array(polars.Float32, 200)
    assert table["embedding"].is_null().to_list() == [False, True, True, False]
    assert np.array_equal(table["embedding"][3].to_numpy(), outcomes[3].mean())  # type: ignore[union-attr]
    assert table["tag.rock"].null_count() == 2 and table["error"].null_count() == 3
    assert sleeve.to_table(outcomes, per="patch", to="polars").shape == (34, 54)


def test_parquet(outcomes: list[sleeve.Result | sleeve.Failure], folder: pathlib.Path) -> None:
    import pandas
    import pyarrow.parquet

    table = sleeve.to_table(outcomes, to="arrow")
    pyarrow.parquet.write_table(table, "table.parquet")
    again = pandas.read_parquet("table.parquet")
    assert np.array_equal(np.array(again["embedding"][0], np.float32), outcomes[0].mean())  # type: ignore[union-attr]
    assert table["embedding"].null_count == 2 and table["tag.rock"].null_count == 2 and table["error"].null_count == 3
    assert sleeve.to_table(outcomes, per="patch", to="arrow").num_rows == 34


def test_edges(extractor: sleeve.Extractor) -> None:
    for to in ("pandas", "polars", "arrow"):
        assert len(sleeve.to_table([], to=to)) == 0  # type: ignore[call-overload]
    only = sleeve.Extractor(outputs="predictions", threads=1).extract(RECORDINGS[2])
    assert "embedding" not in sleeve.to_table([only]).columns
    with pytest.raises(ValueError, match="different outputs"):
        sleeve.to_table([only, extractor.extract(RECORDINGS[2])])
    with pytest.raises(ValueError, match="per"):
        sleeve.to_table([], per="song")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="to must"):
        sleeve.to_table([], to="csv")  # type: ignore[call-overload]


def test_an_embedder_in_a_pipeline(extractor: sleeve.Extractor) -> None:
    from sklearn.base import clone
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline

    from sleeve.sklearn import Embedder

    paths = [str(path) for path in RECORDINGS]
    embedder = Embedder(threads=2)
    rows = embedder.fit_transform(paths)
    assert rows.shape == (3, 200) and rows.dtype == np.float32
    assert np.array_equal(rows[2], extractor.extract(paths[2]).mean())
    assert list(embedder.get_feature_names_out()[:2]) == ["embedding0", "embedding1"]
    pipeline = make_pipeline(clone(embedder), KNeighborsClassifier(1))
    pipeline.fit(paths, ["a", "b", "c"])
    assert list(pipeline.predict(paths[::-1])) == ["c", "b", "a"]
    assert pipeline.set_params(embedder__level="track").get_params()["embedder__level"] == "track"
    with pytest.raises(FileNotFoundError):
        embedder.transform(["missing.mp3"])
    with pytest.warns(sleeve.SleeveWarning), pytest.raises(sleeve.Error, match="shorter"):
        embedder.transform([(np.zeros(10), 16_000)])
    with pytest.warns(sleeve.SleeveWarning):
        rows = Embedder(on_error="nan", sample_rate=16_000).fit_transform(["missing.mp3", np.zeros(10), np.ones(60_000)])
    assert np.isnan(rows).all(axis=1).tolist() == [True, True, False]
    assert Embedder().fit([]).transform([]).shape == (0, 200)


@pytest.mark.filterwarnings("ignore")
def test_sklearn_s_own_checks() -> None:
    from sklearn.utils.estimator_checks import check_estimator

    from sleeve.sklearn import Embedder

    records = check_estimator(
        Embedder(threads=1, sample_rate=16_000, on_error="nan"),
        # Two recordings need not have the same length.
        expected_failed_checks={"check_transformer_general": "rows of X are recordings of any length"},
        on_skip=None,
        on_fail=None,
    )
    failed = {record["check_name"]: record["exception"] for record in records if record["status"] == "failed"}
    assert not failed
    assert sum(record["status"] == "passed" for record in records) > 25
