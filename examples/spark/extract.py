"""Embeddings of a collection in a Spark job that is there already; examples/ray/ is the shorter way.

    spark-submit extract.py /music /vectors      # PYSPARK_PYTHON is the Python that has the packages, on every machine
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pandas
import sleeve
from pyspark.sql import SparkSession

SCHEMA = "path string, seconds double, patches long, embedding array<float>, error string"
ENDINGS = (".flac", ".m4a", ".mp3", ".ogg", ".opus", ".wav")


def embed(batches: Iterator[pandas.DataFrame]) -> Iterator[pandas.DataFrame]:
    """Runs in Spark's Python workers: one model for all batches of a partition, one thread a core."""
    extractor = sleeve.Extractor(threads=1)
    for batch in batches:
        rows = []
        for result in extractor.extract_many(batch["path"], on_error="yield"):
            if isinstance(result, sleeve.Failure):
                rows.append((result.source, None, None, None, f"{type(result.error).__name__}: {result.error}"))
            else:
                mean = result.mean().tolist() if len(result) else None
                rows.append((result.source, result.seconds, len(result), mean, None))
        yield pandas.DataFrame(rows, columns=["path", "seconds", "patches", "embedding", "error"])


if __name__ == "__main__":
    music, vectors = sys.argv[1:]
    spark = SparkSession.builder.appName("sleeve").getOrCreate()
    paths = sorted(str(path) for path in Path(music).rglob("*") if path.suffix.lower() in ENDINGS)
    partitions = max(1, min(len(paths), 4 * spark.sparkContext.defaultParallelism))
    listing = spark.createDataFrame([(path,) for path in paths], "path string").repartition(partitions)
    # A task that fails is done again, and its output appears as a whole or not at all.
    listing.mapInPandas(embed, SCHEMA).write.mode("overwrite").parquet(vectors)
