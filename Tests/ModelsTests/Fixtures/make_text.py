# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes tokenizers and text encoders as transformers saves them, and what they make of texts: python make_text.py

Tokenizers/NAME is a folder of a tokenizer with a small vocabulary, Tokenizers/prompts.json some texts, and
Tokenizers/NAME.json their numbers, padded to the length. Text/NAME holds config.json and weights of a CLIPTextModel
with random weights, and io.safetensors: ids, output, adjoint, and the gradient of sum(output * adjoint) by every
parameter (grad.NAME); computed in double from the stored floats. Made with torch 2.15.0 and transformers 5.24.0.
"""

import json
import math
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

HERE = Path(__file__).resolve().parent
START, END = "<|startoftext|>", "<|endoftext|>"
LENGTH = 12

# Pairs that make a few words, two ways to one token, digits, a contraction, an accented letter and an emoji's bytes.
MERGES = [("l", "o"), ("lo", "w</w>"), ("e", "r</w>"), ("t", "h"), ("th", "e</w>"), ("lo", "w"), ("o", "w"), ("r", "e"),
          ("re", "d</w>"), ("'", "s</w>"), ("a", "a"), ("aa", "a</w>"), ("aa", "aa"), ("Ã", "©</w>"), ("ð", "Ł"),
          ("ðŁ", "ĺ"), ("ðŁĺ", "Ģ</w>"), ("!", "!</w>"), ("l", "ow"), ("3", "3</w>")]

PROMPTS = [
    "", " ", "the red tower", "The LOWER tower, low and red!", "lowlowlow aaaa aaaaa a aa aaa", "don't we'll I'VE 'S's",
    "12345 1st ½ Ⅷ １２", "café cafe\u0301 CAFÉ \u0301", "😀 👨\u200d👩\u200d👧 🇩🇪", "tabs\tand\nlines\r\n  \u00a0\u3000x",
    "a<|startoftext|>b <|ENDOFTEXT|> <|endoftext|>!", "<|endo", "İstanbul ΑΣ Straße ǅ", "\u0000\u0001\u007f\u0085\u2028",
    "한국어 \u1112\u1161\u11ab 漢字 かな \u30ab\u3099", "q\u0307\u0323 \u1e9b\u0323 \u212b \u2126 \u0958", "!!! !' '! ?!'s",
    "a photo of the red tower and the blue lake under a low sun in winter, oil on canvas, very long",
    "\U0001d7d8\U0001d400\U00010400 \ufeff\u200b\u00ad", "x" * 60, "\u0340\u0341\u0343\u0344 \ufb1d \u0f73",
]


def letters():
    """GPT-2's letters of bytes, in the order of CLIP's vocabulary."""
    printable = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table = {b: chr(b) for b in printable}
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + len([x for x in table if x not in printable]))
    return [table[b] for b in printable + [b for b in range(256) if b not in printable]]


def added(content, normalized):
    return dict(content=content, lstrip=False, normalized=normalized, rstrip=False, single_word=False)


def write_tokenizers():
    folder = HERE / "Tokenizers"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    singles = letters()
    words = singles + [c + "</w>" for c in singles]
    words += [w for w in dict.fromkeys("".join(m) for m in MERGES)] + [START, END]
    older = folder / "older"
    older.mkdir()
    (older / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(words)}, ensure_ascii=False))
    (older / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(m) for m in MERGES) + "\n")
    special = dict(bos_token=added(START, True), eos_token=added(END, True), pad_token=END, unk_token=added(END, True))
    config = dict(add_prefix_space=False, do_lower_case=True, errors="replace", model_max_length=LENGTH,
                  special_tokens_map_file="./special_tokens_map.json", tokenizer_class="CLIPTokenizer",
                  bos_token=added(START, True) | {"__type": "AddedToken"}, pad_token=END)
    (older / "special_tokens_map.json").write_text(json.dumps(special))
    (older / "tokenizer_config.json").write_text(json.dumps(config))
    # Stable Diffusion 2 pads with "!", which is then found as it stands.
    second = folder / "second"
    shutil.copytree(older, second)
    (second / "special_tokens_map.json").write_text(json.dumps(special | dict(pad_token="!")))
    # No more than the two files.
    bare = folder / "bare"
    bare.mkdir()
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(older / name, bare / name)
    # As transformers 5 saves the second.
    CLIPTokenizer.from_pretrained(second).save_pretrained(folder / "newer")
    (folder / "prompts.json").write_text(json.dumps(PROMPTS))
    for name in ("older", "second", "bare", "newer"):
        tokenizer = CLIPTokenizer.from_pretrained(folder / name)
        ids = tokenizer(PROMPTS, padding="max_length", truncation=True, max_length=LENGTH)["input_ids"]
        (folder / f"{name}.json").write_text(json.dumps(ids))
    return len(words)


# As Stable Diffusion 1 and 2 have them, apart from the sizes.
ENCODERS = {
    "first": dict(hidden_size=16, intermediate_size=23, num_hidden_layers=2, num_attention_heads=4,
                  hidden_act="quick_gelu"),
    "second": dict(hidden_size=12, intermediate_size=40, num_hidden_layers=3, num_attention_heads=2, hidden_act="gelu"),
}


def randomised(model):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name and name.endswith("weight"):
                parameter.copy_(1 + 0.2 * torch.randn_like(parameter))
            elif name.endswith("bias"):
                parameter.copy_(0.1 * torch.randn_like(parameter))
            elif "embedding" in name:
                parameter.copy_(torch.randn_like(parameter))
            else:
                parameter.copy_(torch.randn_like(parameter) / math.sqrt(parameter[0].numel()))
    return model


def write_encoders(tokens):
    for index, (name, config) in enumerate(ENCODERS.items()):
        torch.manual_seed(index)
        folder = HERE / "Text" / name
        shutil.rmtree(folder, ignore_errors=True)
        model = randomised(CLIPTextModel(CLIPTextConfig(
            vocab_size=40, max_position_embeddings=LENGTH, bos_token_id=38, eos_token_id=39, pad_token_id=39, **config)))
        model.save_pretrained(folder)
        model = model.double()
        ids = torch.randint(0, 40, (3, LENGTH))
        output = model(input_ids=ids).last_hidden_state
        adjoint = torch.randn(output.shape)
        (output * adjoint).sum().backward()
        io = {"ids": ids.float(), "output": output.detach(), "adjoint": adjoint}
        io |= {"grad." + n.removeprefix("text_model."): p.grad for n, p in model.named_parameters()}
        save_file({k: v.float().contiguous() for k, v in io.items()}, folder / "io.safetensors")
    # The first as it was saved before transformers 5, in half precision and with a buffer of positions.
    source, folder = HERE / "Text" / "first", HERE / "Text" / "older"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copy(source / "config.json", folder)
    weights = load_file(source / "model.safetensors")
    old = {"text_model." + k.removeprefix("text_model."): v for k, v in weights.items()}
    half = {k: v.half() for k, v in old.items()}
    half["text_model.embeddings.position_ids"] = torch.arange(LENGTH)[None]
    save_file(half, folder / "model.fp16.safetensors", metadata={"format": "pt"})
    model = CLIPTextModel.from_pretrained(source)
    model.load_state_dict({k: v.half().float() for k, v in model.state_dict().items()})
    ids = torch.randint(0, 40, (2, LENGTH))
    with torch.no_grad():
        output = model.double()(input_ids=ids).last_hidden_state
    save_file({"ids": ids.float(), "output": output.float().contiguous()}, folder / "io.safetensors")


def main():
    write_encoders(write_tokenizers())


if __name__ == "__main__":
    main()
