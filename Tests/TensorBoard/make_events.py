# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes Tests/ExperimentsTests/Fixtures/events.bin with TensorBoard's own writer, for EventFileTests.

    python Tests/TensorBoard/make_events.py        # with the packages of requirements.txt
"""
import pathlib

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

TIME = 1700000000.25
# Not a picture: the writer does not look into it. 300 bytes need a length of two bytes.
PICTURE = bytes(i * 7 % 256 for i in range(300))

EVENTS = [
    Event(wall_time=TIME, file_version="brain.Event:2"),
    Event(wall_time=TIME + 1.5, step=25, summary=Summary(value=[
        Summary.Value(tag="training/loss", simple_value=0.125),
        Summary.Value(tag="training/learning_rate", simple_value=1e-3)])),
    # A step beyond 32 bits.
    Event(wall_time=TIME + 2, step=5_000_000_000, summary=Summary(value=[
        Summary.Value(tag="training/loss", simple_value=float(3e38))])),
    Event(wall_time=TIME + 3, step=500, summary=Summary(value=[
        Summary.Value(tag="preview", image=Summary.Image(
            height=20, width=15, colorspace=3, encoded_image_string=PICTURE))])),
]

target = pathlib.Path(__file__).resolve().parents[1] / "ExperimentsTests/Fixtures/events.bin"
target.parent.mkdir(exist_ok=True)
with open(target, "wb") as file:
    writer = RecordWriter(file)
    for event in EVENTS:
        writer.write(event.SerializeToString())
    writer.flush()
print(target, target.stat().st_size, "bytes")
