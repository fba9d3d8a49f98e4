# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the program's tokens with transformers' on 10,000 prompts: python check_tokens.py PROGRAM FOLDER

FOLDER is CLIP's tokenizer, by clip_vocabulary.py. Beside it as it is, both read it as Stable Diffusion 2 has it (padded
with "!"), without its smaller files, and as transformers 5 saves it. The exit code is 1 where one number differs.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
from transformers import CLIPTokenizer  # noqa: E402

COUNT = 10_000
START, END = "<|startoftext|>", "<|endoftext|>"
WORDS = """a an the of in on under above with and two three red green blue tower cat dog portrait landscape oil painting
highly detailed 4k 8K HDR trending artstation photo realistic sunset mountain girl's boys' don't can't I'll we've they're
it's café naïve Zürich señor œuvre Straße İstanbul Ωmega Привет мир δοκιμή שלום مرحبا नमस्ते สวัสดี 漢字 かな カナ 한국어 ﬁne
ﬀ ½ Ⅷ ① ² 3.14 1,000 2024 #tag @name e.g. (very:1.3) [soft] {x|y} <lora:x> -- … — “quoted” 'single' C++ a_b""".split()
SPECIAL = [START, END, START.upper(), END.title(), "<|endoftext", "|>", "<|", "!", "'s", "'S", "'ll", "'", "</w>"]
SPACES = [" ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u2028", "\u200b", "\u0085", "\x1c", ""]


def character(rng):
    kind = rng.random()
    if kind < 0.25:
        return chr(rng.randrange(0x20, 0x7f))
    if kind < 0.35:
        return chr(rng.randrange(0x20))
    if kind < 0.5:
        return chr(rng.choice([rng.randrange(0x300, 0x370), rng.randrange(0x1ab0, 0x1b00), rng.randrange(0x20d0, 0x2100),
                               rng.randrange(0x591, 0x5c8), rng.randrange(0x93c, 0x950)]))
    if kind < 0.6:
        return chr(rng.choice([rng.randrange(0x1100, 0x1200), rng.randrange(0xac00, 0xd7a4)]))
    if kind < 0.75:
        return chr(rng.choice([rng.randrange(0x1f300, 0x1fb00), 0x200d, 0xfe0f, rng.randrange(0x1f1e6, 0x1f200),
                               rng.randrange(0x1f3fb, 0x1f400)]))
    if kind < 0.9:
        return chr(rng.choice([rng.randrange(0x80, 0x800), rng.randrange(0x900, 0x2000), rng.randrange(0xf900, 0xfb50),
                               rng.randrange(0x1e00, 0x2000), rng.randrange(0x10400, 0x10450)]))
    while True:
        code = rng.randrange(0x110000)
        if not 0xD800 <= code < 0xE000:
            return chr(code)


def prompt(rng):
    kind = rng.random()
    if kind < 0.02:
        return rng.choice(["", " ", "\n", "\u200b", END, START + END])
    if kind < 0.45:
        words = [rng.choice(WORDS) for _ in range(rng.randrange(1, 25))]
        words = [rng.choice([w, w, w.upper(), w.title(), w + rng.choice(",.!?;:'\"")]) for w in words]
        return "".join(w + rng.choice(SPACES if rng.random() < 0.2 else [" "]) for w in words)
    if kind < 0.65:
        return "".join(rng.choice([rng.choice(WORDS), rng.choice(SPECIAL), rng.choice(SPACES), character(rng)])
                       for _ in range(rng.randrange(1, 30)))
    if kind < 0.97:
        return "".join(character(rng) for _ in range(rng.randrange(1, 80)))
    return rng.choice(["a", "é", "1", "!", "ab", "\u0301", "漢"]) * rng.randrange(50, 2000)


def code_points():
    """Every code point but most of the large blocks of Han and Hangul and of those for private use, between others."""
    large = [(0x3500, 0x4d00), (0x4e00, 0x9f00), (0xac80, 0xd700), (0xd800, 0xe000), (0x17100, 0x18700),
             (0x20100, 0x2a600), (0x2a800, 0x2fa00), (0x30010, 0x32000), (0x33000, 0xe0000), (0xe1000, 0x10fff0)]
    codes = [c for c in range(0x110000) if not any(first <= c < last for first, last in large)]
    return [f"a{chr(c)}\u0301{chr(c)}b {chr(c)}1{chr(c)}!{chr(c)}" for c in codes]


def layouts(folder, scratch):
    """Folders of the four forms."""
    yield folder
    second = scratch / "second"
    shutil.copytree(folder, second)
    special = json.loads((second / "special_tokens_map.json").read_text())
    (second / "special_tokens_map.json").write_text(json.dumps(special | dict(pad_token="!")))
    yield second
    bare = scratch / "bare"
    bare.mkdir()
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(folder / name, bare / name)
    yield bare
    newer = scratch / "newer"
    CLIPTokenizer.from_pretrained(second).save_pretrained(newer)
    yield newer


def main():
    parser = argparse.ArgumentParser(description="Compare tokens with transformers'")
    parser.add_argument("program")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--code-points", action="store_true", help="a prompt for every code point instead")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    prompts = code_points() if arguments.code_points else [prompt(rng) for _ in range(arguments.count)]
    wrong = 0
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        (scratch / "prompts.json").write_text(json.dumps(prompts))
        for folder in layouts(arguments.folder, scratch):
            reference = CLIPTokenizer.from_pretrained(folder)
            for option, keywords in (([], dict(padding="max_length", truncation=True, max_length=77)),
                                     (["--all"], dict(add_special_tokens=False))):
                start = time.perf_counter()
                run = subprocess.run([arguments.program, "tokens", str(folder), "--file", str(scratch / "prompts.json")]
                                     + option, capture_output=True, text=True, check=True)
                seconds = time.perf_counter() - start
                found = [json.loads(line) for line in run.stdout.splitlines()]
                start = time.perf_counter()
                expected = reference(prompts, **keywords)["input_ids"]
                theirs = time.perf_counter() - start
                differ = [i for i in range(len(prompts)) if i >= len(found) or found[i] != expected[i]]
                wrong += len(differ)
                print(f"{folder.name} {' '.join(option) or 'padded'}: {len(prompts)} prompts, {len(differ)} differ; "
                      f"{seconds:.2f} s with reading the folder, transformers {theirs:.2f} s without")
                for i in differ[:5]:
                    print("  ", ascii(prompts[i])[:200], found[i][:20] if i < len(found) else None, expected[i][:20])
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
