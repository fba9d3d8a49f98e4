# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts the freely licensed colour photographs of scikit-image into Experiments/Data/photos, as PNG.

They are taken from scikit-image's wheel, which pip downloads; nothing of it is installed. Needs pip and Pillow.
`make photos` runs it with both; without make: python3 fetch_photos.py [FOLDER]
"""

import io
import pathlib
import sys

from PIL import Image

from wheels import download, fetch

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


def write(folder):
    lines, files = [f"{'file':<24}{'pixels':<14}licence"], []
    with download(WHEEL, SHA256, folder, BUILD) as wheel:
        for name, licence in PHOTOS.items():
            photo = Image.open(io.BytesIO(wheel.read(f"skimage/data/{name}"))).convert("RGB")
            file = folder / pathlib.Path(name).with_suffix(".png")
            photo.save(file)
            files.append(file)
            lines.append(f"{file.name:<24}{f'{photo.width} × {photo.height}':<14}{licence}")
    print("\n".join(lines))
    return files


if __name__ == "__main__":
    fetch("fetch_photos.py", sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "photos", write)
