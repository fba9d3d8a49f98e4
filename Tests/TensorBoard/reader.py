# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the event files of a run with TensorBoard's own loader, and compares them with training.csv and previews.

A training is run whole, and another one is stopped twice and goes on: both must come to the same steps and values, each
step once. `make tensorboard-check` runs it.
"""
import argparse
import csv
import io
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader, RawEventFileLoader

ROOT = pathlib.Path(__file__).resolve().parents[2]
SETTINGS = ["log=[csv, tensorboard]", "training.preview={steps: 300, count: 50}", "training.steps=2000",
            "training.checkpoint={steps: 70}"]


def command(program, folder, more=()):
    arguments = [program, "train", str(ROOT / "Experiments/vp-moons.yaml"), "--output", str(folder / "r"), "--quiet"]
    for setting in SETTINGS + list(more):
        arguments += ["--set", setting]
    return arguments, dict(os.environ, SCORE_SDE_MODELS=str(folder / "models"))


def run(program, folder, stops=0, attempts=5):
    arguments, environment = command(program, folder)
    # Pictures tell how far it is; the table is written every 2 s, when all may be over.
    for signal_number, step in [(signal.SIGINT, 300), (signal.SIGKILL, 1200)][:stops]:
        process = subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        picture = folder / f"r/previews/{step:06d}.png"
        while time.monotonic() < deadline and process.poll() is None and not picture.exists():
            time.sleep(0.01)
        process.send_signal(signal_number)
        process.wait()
        if process.returncode == 0:
            # This program was kept waiting while the training, which takes a second or two, came to its end.
            if attempts == 1:
                sys.exit("the training came to its end before it was stopped, five times")
            shutil.rmtree(folder)
            folder.mkdir()
            return run(program, folder, stops, attempts - 1)
    subprocess.run(arguments, env=environment, check=True, stdout=subprocess.DEVNULL)


def same_float(a, b):
    """Events hold 32-bit floats."""
    return struct.pack("f", a) == struct.pack("f", b)


def check(folder):
    """What TensorBoard reads must be what the tables say. Returns it, without times."""
    results = folder / "r"
    [file] = (results / "tensorboard").iterdir()
    if subprocess.run([PROGRAM, "verify", str(results)], stdout=subprocess.DEVNULL).returncode != 0:
        sys.exit("the event file is not in the manifest")
    # Every record is whole: the raw loader stops at the first checksum that is wrong.
    raw = list(RawEventFileLoader(str(file)).Load())
    events = list(EventFileLoader(str(file)).Load())
    assert len(raw) == len(events) > 200, (len(raw), len(events))
    # As TensorBoard's plug-ins see them: every value has been turned into a tensor.
    kinds = {value.metadata.plugin_data.plugin_name for event in events for value in event.summary.value}
    assert kinds == {"scalars", "images"}, kinds
    accumulator = EventAccumulator(str(results / "tensorboard"), size_guidance={"scalars": 0, "images": 0})
    accumulator.Reload()
    times = [event.wall_time for event in events]
    assert all(abs(t - time.time()) < 600 for t in times), times[:3]
    with open(results / "training.csv", newline="") as table:
        rows = list(csv.DictReader(table))
    read = {}
    assert set(accumulator.Tags()["scalars"]) == {
        "training/loss", "training/learning_rate", "training/gradient_norm"}, accumulator.Tags()
    assert accumulator.Tags()["images"] == ["preview"], accumulator.Tags()
    for name in ["loss", "learning_rate", "gradient_norm"]:
        values = [(event.step, event.value) for event in accumulator.Scalars(f"training/{name}")]
        assert [step for step, _ in values] == [int(row["step"]) for row in rows], name
        assert all(same_float(value, float(row[name])) for (_, value), row in zip(values, rows)), name
        read[name] = values
    pictures = []
    for event in accumulator.Images("preview"):
        png = event.encoded_image_string
        path = results / f"previews/{event.step:06d}.png"
        assert path.read_bytes() == png, path
        assert Image.open(io.BytesIO(png)).size == (event.width, event.height)
        pictures.append((event.step, png))
    assert [step for step, _ in pictures] == [300, 600, 900, 1200, 1500, 1800, 2000], [s for s, _ in pictures]
    assert sorted(p.name for p in (results / "previews").iterdir()) == [f"{s:06d}.png" for s, _ in pictures]
    read["pictures"] = pictures
    return read


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--program", default=".build/release/score-sde")
PROGRAM = str(pathlib.Path(parser.parse_args().program).resolve())
with tempfile.TemporaryDirectory() as name:
    whole, stopped = pathlib.Path(name) / "whole", pathlib.Path(name) / "stopped"
    for place in [whole, stopped]:
        place.mkdir()
    run(PROGRAM, whole)
    expected = check(whole)
    run(PROGRAM, stopped, stops=2)
    if check(stopped) != expected:
        sys.exit("a training that was stopped has other events")
    print(f"TensorBoard reads {sum(len(v) for v in expected.values())} values and pictures; those of a training that was "
          "stopped twice are the same")
