# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the tokenizer's folder of CLIP, as Stable Diffusion has it: python clip_vocabulary.py FOLDER [--pad TOKEN]

The vocabulary is that of the wheel open-clip-torch of PyPI, which pip fetches without what it depends on; the files
are vocab.json, merges.txt, special_tokens_map.json and tokenizer_config.json. --pad "!" is Stable Diffusion 2.
"""

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

START, END = "<|startoftext|>", "<|endoftext|>"
NAME = "open_clip/bpe_simple_vocab_16e6.txt.gz"
COUNT = 49_152 - 256 - 2


def fetched_merges():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", folder,
                        "open-clip-torch==3.3.0"], check=True)
        wheel, = Path(folder).glob("*.whl")
        lines = gzip.decompress(zipfile.ZipFile(wheel).read(NAME)).decode("utf-8").split("\n")
    merges = [line.split() for line in lines[1:COUNT + 1]]
    assert len(merges) == COUNT and all(len(merge) == 2 for merge in merges)
    return merges


def letters():
    """GPT-2's letters of bytes, printable ones first."""
    first = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b]
    rest = [b for b in range(256) if b not in first]
    return [chr(b) for b in first] + [chr(256 + i) for i in range(len(rest))]


def token(content):
    return dict(content=content, lstrip=False, normalized=True, rstrip=False, single_word=False)


def main():
    parser = argparse.ArgumentParser(description="Write CLIP's tokenizer")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pad", default=END)
    arguments = parser.parse_args()
    merges = fetched_merges()
    singles = letters()
    words = singles + [c + "</w>" for c in singles] + ["".join(merge) for merge in merges] + [START, END]
    special = dict(bos_token=token(START), eos_token=token(END), unk_token=token(END), pad_token=arguments.pad)
    config = dict(add_prefix_space=False, do_lower_case=True, errors="replace", model_max_length=77,
                  tokenizer_class="CLIPTokenizer", pad_token=arguments.pad)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    files = {"vocab.json": json.dumps({word: i for i, word in enumerate(words)}, ensure_ascii=False),
             "merges.txt": "#version: 0.2\n" + "".join(" ".join(merge) + "\n" for merge in merges),
             "special_tokens_map.json": json.dumps(special), "tokenizer_config.json": json.dumps(config)}
    for name, text in files.items():
        (arguments.folder / name).write_text(text, encoding="utf-8")
    print(f"{arguments.folder}: {len(words)} tokens")


if __name__ == "__main__":
    main()
