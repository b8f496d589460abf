"""Prints what TensorBoard reads from a folder of event files: all scalars by name and step. Verifies checksums."""
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
events.Reload()
for tag in sorted(events.Tags()["scalars"]):
    for event in events.Scalars(tag):
        print(tag, event.step, repr(event.wall_time), repr(event.value))
