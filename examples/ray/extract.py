"""Embeddings of a collection on a Ray cluster: one actor a core, Parquet out, and on from where it stopped.

    python extract.py /music /vectors                   # a folder that every machine sees
    python extract.py s3://music gs://vectors           # or any address that fsspec reads (pip install s3fs, gcsfs)

Rows are path, seconds, patches, embedding (the mean) and error, which is empty where there is none.
"""

import argparse

import fsspec
import pyarrow
import pyarrow.fs
import pyarrow.parquet
import ray
from sleeve.ray import Embed

ENDINGS = (".aac", ".aif", ".aiff", ".caf", ".flac", ".m4a", ".mka", ".mp3", ".mp4", ".oga", ".ogg", ".opus", ".wav", ".webm")

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("music", help="where the recordings are: a folder, or an address such as s3://bucket/music")
parser.add_argument("vectors", help="where Parquet files are written; what they hold is not computed again")
parser.add_argument("--model", help="a model's file, on every machine, or the name of a bundled one")
parser.add_argument("--actors", type=int, help="by default as many as the cluster has cores")
parser.add_argument("--batch", type=int, default=32, help="recordings a task: what a killed actor does again")
arguments = parser.parse_args()

# What there is, by its whole address, less what is done.
system, root = fsspec.core.url_to_fs(arguments.music)
found = {system.unstrip_protocol(path).removeprefix("file://") for path in system.find(root) if path.lower().endswith(ENDINGS)}
output, folder = fsspec.core.url_to_fs(arguments.vectors)
for path in output.find(folder) if output.exists(folder) else []:
    if path.endswith(".parquet"):
        try:
            with output.open(path) as file:
                found -= set(pyarrow.parquet.read_table(file, columns=["path"])["path"].to_pylist())
        except pyarrow.ArrowInvalid:
            # A job was killed while it wrote this one.
            print(f"{path} is not whole: its recordings are analysed again")
            output.rm(path)
print(f"{len(found)} recordings to analyse")

if found:
    ray.init(ignore_reinit_error=True)
    actors = arguments.actors or int(ray.cluster_resources()["CPU"])
    listing = ray.data.from_items([{"path": path} for path in sorted(found)], override_num_blocks=-(-len(found) // arguments.batch))
    rows = listing.map_batches(
        Embed,
        fn_constructor_args=[arguments.model],
        batch_size=arguments.batch,
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=1,
        # A killed actor is started again, and its batch done again.
        max_restarts=-1,
        max_task_retries=-1,
    )
    # A task's file has the task's name: one that is done again replaces it. Files of earlier runs stay. Writing takes no
    # core, which it would wait for until the actors are done, with everything lost if the job is killed before.
    files = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(output))
    rows.write_parquet(folder, filesystem=files, mode="append", ray_remote_args={"num_cpus": 0})
