# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts the freely licensed colour photographs of scikit-image into Experiments/Data/photos, as PNG.

They are taken from scikit-image's wheel, which pip downloads; nothing of it is installed. Needs pip and Pillow.
`make photos` runs it with both; without make: python3 fetch_photos.py [FOLDER]
"""

import hashlib
import io
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import zipfile

from PIL import Image

WHEEL = "scikit-image==0.25.2"
# The same file whatever the machine and its Python.
BUILD = ["--only-binary=:all:", "--python-version=3.12", "--implementation=cp", "--platform=manylinux2014_x86_64"]
SHA256 = "a17e17eb8562660cc0d31bb55643a4da996a81944b82c54805c91b3fe66f4824"

# The licences are those that skimage/data/_fetchers.py states. Left out: motorcycle_left, motorcycle_right and color,
# for which it states none; ihc, "no known copyright restrictions"; logo, no photograph.
PHOTOS = {
    "astronaut.png": "public domain (NASA)",
    "chelsea.png": "CC0 (Stefan van der Walt)",
    "coffee.png": "CC0 (Rachel Michetti)",
    "hubble_deep_field.jpg": "public domain (NASA)",
    "retina.jpg": "CC0 (Mikael Häggström)",
    "rocket.jpg": "public domain (SpaceX)",
}


def download(folder):
    """The wheel, checked."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, *BUILD, WHEEL, "--dest", folder], check=True)
    (wheel,) = pathlib.Path(folder).glob("*.whl")
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != SHA256:
        sys.exit(f"{wheel.name}: SHA-256 is {found}; expected {SHA256}")
    return wheel


def fetch(target):
    """All photographs, or none: each gets its name when all are there."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target, prefix=".fetching-") as folder:
        lines = [f"{'file':<24}{'pixels':<14}licence"]
        with zipfile.ZipFile(download(folder)) as wheel:
            files = []
            for name, licence in PHOTOS.items():
                photo = Image.open(io.BytesIO(wheel.read(f"skimage/data/{name}"))).convert("RGB")
                file = pathlib.Path(folder) / pathlib.Path(name).with_suffix(".png")
                photo.save(file)
                files.append(file)
                lines.append(f"{file.name:<24}{f'{photo.width} × {photo.height}':<14}{licence}")
        for file in files:
            os.replace(file, target / file.name)
    print("\n".join([*lines, f"in {target}"]))


def main():
    def stop(number, _):
        # What was downloaded goes with its folder.
        raise SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    target = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "photos")
    try:
        fetch(target)
    except subprocess.CalledProcessError as error:
        sys.exit(f"fetch_photos.py: pip ended with {error.returncode}; nothing was written")
    except SystemExit as end:
        if isinstance(end.code, int) and end.code > 128:
            print("fetch_photos.py: stopped; nothing was written; run it again", file=sys.stderr)
        raise


if __name__ == "__main__":
    main()
