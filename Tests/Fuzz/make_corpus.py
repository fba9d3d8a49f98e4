# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes Corpus/FORMAT/NAME, where fuzzing begins: small right files, and the ones that readers are known to fall
for. What a fuzzer found is kept there beside them, and stays when this runs again."""
import gzip
import json
import pathlib
import struct
import zlib

ROOT = pathlib.Path(__file__).resolve().parent
EXPERIMENTS = ROOT.parent.parent / "Experiments"


def put(kind, name, content):
    path = ROOT / "Corpus" / kind / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def yaml():
    for name in ["formula-swiss-roll", "vp-mixture-exact", "cld-moons", "schedule-moons", "vp-digits-unet"]:
        put("yaml", name, (EXPERIMENTS / f"{name}.yaml").read_text())
    start = "name: a\ndata: {kind: two-moons}\nprocess: {kind: vp}\nscore: {kind: empirical}\n"
    end = "sampling: {count: 4, solvers: [{kind: ddim, steps: 4}]}\n"
    put("yaml", "small", start + end)
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi"))
    put("yaml", "sweep", start + end + "sweep: {seed: [1, 2], zip: {process.beta_max: [9, 8], sampling.count: [4, 5]}, "
        "cases: [{}, {sampling.solvers.0.steps: 3}]}\n")
    put("yaml", "sweep-of-files", start + end + "sweep: [missing.yaml, ../other.yaml]\n")
    put("yaml", "sweep-of-many", start + end + f"sweep: {{seed: {list(range(400))}, data.count: {list(range(400))}}}\n")
    put("yaml", "bomb", bomb)
    put("yaml", "bomb-as-a-key", bomb + "k: {x, *h}\n")
    put("yaml", "deep", "name: " + "[" * 1500)
    put("yaml", "deep-mapping", "{a: " * 1000)
    put("yaml", "alias-of-itself", "name: &a [*a]\n")
    put("yaml", "merge-itself", "&a\nname: a\n<<: *a\n")
    put("yaml", "huge-counts", start + "sampling: {count: 9223372036854775807, solvers: [{kind: ddim, steps: 4294967296}]}\n")
    put("yaml", "outside", "name: ../../a\n" + start.split("\n", 1)[1] + end)
    put("yaml", "data-of-a-device", start.replace("{kind: two-moons}", "{kind: csv, path: missing/table.csv}") + end)
    put("yaml", "line-ends-in-a-name", 'name: "a\\nb\\e[2J"\n' + end)
    put("yaml", "not-text", b"name: \xff\xfe\x00\n")


def formula():
    for index, text in enumerate([
            "-a", "k*exp(l*t)", "-0.5*(0.1 + t*(20 - 0.1))", "sqrt(t)^2 - min(t, pow(a, 3))/tanh(t + 1e-9)", "((((t))))",
            "1e308*1e308", "t/0", "(" * 200 + "t" + ")" * 200, "-" * 300 + "t", "2^-3^t", "max(t,", "\u00e9\u0301(t)"]):
        put("formula", f"formula-{index}", text)


def csv():
    rows = "\n".join(f"{i / 7},{i * i}" for i in range(8))
    put("csv", "plain", rows + "\n")
    put("csv", "header", "x,y\n" + rows + "\n")
    put("csv", "excel", "\ufeffx;y\r\n" + rows.replace(",", ";").replace("\n", "\r\n") + "\r\n")
    put("csv", "tabs", rows.replace(",", "\t") + "\n")
    put("csv", "quoted", '"x, the ""first""",y\n' + rows.replace(",", '","').replace("\n", '"\n"').join('""') + "\n")
    put("csv", "line-end-in-quotes", '"x\ny",z\n' + rows + "\n")
    put("csv", "open-quote", 'x,"y\n' + rows)
    put("csv", "ragged", rows + "\n1\n")
    put("csv", "nan", rows.replace("0.0", "nan") + "\n")
    put("csv", "gzip", gzip.compress(rows.encode(), mtime=0))
    put("csv", "gzip-bomb", gzip.compress(b"1,1\n" * 30000, mtime=0))
    put("csv", "gzip-truncated", gzip.compress(rows.encode() * 9, mtime=0)[:-9])
    put("csv", "utf-16", rows.encode("utf-16"))
    put("csv", "empty-fields", ",,,\n" * 40)
    put("csv", "one-long-field", "1" * 4000)
    put("csv", "zeros", b"\0" * 64)


def npy():
    def array(header, body=b"", version=1):
        text = header.encode() + b"\n"
        length = struct.pack("<H" if version == 1 else "<I", len(text))
        return b"\x93NUMPY" + bytes([version, 0]) + length + text + body

    def head(kind="<f8", order=False, shape="(8, 2)"):
        return f"{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}"

    body = struct.pack("<16d", *range(16))
    put("npy", "doubles", array(head(), body))
    put("npy", "version-2", array(head(), body, 2))
    put("npy", "fortran", array(head(order=True), body))
    put("npy", "big-endian", array(head(">f8"), struct.pack(">16d", *range(16))))
    put("npy", "halves", array(head("<f2"), bytes(range(32))))
    put("npy", "bytes", array(head("|u1", shape="(8, 2, 1, 1)"), bytes(range(16))))
    put("npy", "overflow", array(head(shape="(4294967296, 4294967296, 16)")))
    put("npy", "larger-than-the-file", array(head(shape="(1000000000, 1000000000)"), body))
    put("npy", "negative", array(head(shape="(-8, -2)"), body))
    put("npy", "scalar", array(head(shape="()"), body[:8]))
    put("npy", "no-rows", array(head(shape="(0, 2)")))
    put("npy", "zero-width", array(head(shape="(8, 0)")))
    put("npy", "objects", array(head("|O"), body))
    put("npy", "long-header", b"\x93NUMPY\2\0\xff\xff\xff\xff" + head().encode())
    put("npy", "short", b"\x93NUMPY\1")


def png():
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    def picture(width, height, depth, colour, rows, interlaced=0, before=b""):
        head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
        return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before + chunk(b"IDAT", zlib.compress(rows, 9))
                + chunk(b"IEND", b""))

    grey = b"".join(b"\0" + bytes(range(8 * y, 8 * y + 8)) for y in range(8))
    put("png", "grey", picture(8, 8, 8, 0, grey))
    put("png", "colour", picture(4, 4, 8, 2, b"".join(b"\1" + bytes(range(12)) for _ in range(4))))
    put("png", "alpha", picture(2, 2, 8, 6, b"".join(b"\2" + bytes(range(8)) for _ in range(2))))
    put("png", "deep", picture(2, 2, 16, 2, b"".join(b"\4" + bytes(range(12)) for _ in range(2))))
    palette = chunk(b"PLTE", bytes(range(12)))
    put("png", "palette", picture(8, 1, 2, 3, b"\0\x1b\x1b", before=palette + chunk(b"tRNS", b"\0\x80")))
    put("png", "palette-missing", picture(8, 1, 2, 3, b"\0\x1b\x1b"))
    put("png", "bits", picture(8, 2, 1, 0, b"\0\xaa\0\x55"))
    put("png", "interlaced", picture(2, 2, 8, 0, b"\0\1\0\2\0\3\4", 1))
    put("png", "claims-more", picture(60000, 60000, 8, 2, grey))
    put("png", "largest", picture(0x7fffffff, 0x7fffffff, 16, 6, grey))
    put("png", "bomb", picture(2000, 400, 1, 0, b"\0" * 251 * 400))
    put("png", "no-pixels", picture(0, 0, 8, 0, b""))
    put("png", "truncated", picture(8, 8, 8, 0, grey)[:-30])
    put("png", "wrong-sum", picture(8, 8, 8, 0, grey)[:-20] + b"\0" * 20)
    put("png", "jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF")


def idx():
    def file(kind, sizes, body):
        return struct.pack(">HBB", 0, kind, len(sizes)) + b"".join(struct.pack(">I", s) for s in sizes) + body

    put("idx", "grey", file(8, [6, 2, 3], bytes(range(36))))
    put("idx", "colour", file(8, [3, 2, 2, 3], bytes(range(36))))
    put("idx", "gzip", gzip.compress(file(8, [6, 2, 3], bytes(range(36))), mtime=0))
    put("idx", "bomb", gzip.compress(file(8, [1000, 10, 30], bytes(300000)), mtime=0))
    put("idx", "overflow", file(8, [0xffffffff] * 3, b""))
    put("idx", "larger-than-the-file", file(8, [60000, 28, 28], bytes(100)))
    put("idx", "no-images", file(8, [0, 28, 28], b""))
    put("idx", "no-pixels", file(8, [4, 0, 28], b""))
    put("idx", "floats", file(13, [2, 1, 1], bytes(8)))
    put("idx", "short", b"\0\0\x08")


def cifar():
    record = bytes([3]) + bytes(range(256)) * 12
    put("cifar", "two", record * 2)
    put("cifar", "three", record + bytes([9]) + record[1:] + bytes([0]) + record[1:])
    put("cifar", "wrong-label", record + bytes([10]) + record[1:])
    put("cifar", "hundred", b"".join(bytes([1, 77]) + record[1:] for _ in range(2)))
    put("cifar", "short", record[:100])
    put("cifar", "empty", b"")


def safetensors():
    def file(header, body=b"", length=None):
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        return struct.pack("<Q", len(text) if length is None else length) + text + body

    def entry(kind, shape, begin, end):
        return {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}

    four = struct.pack("<4f", 1, 2, 3, 4)
    put("safetensors", "floats", file({"a": entry("F32", [2, 2], 0, 16), "__metadata__": {"format": "pt"}}, four))
    put("safetensors", "halves", file({"a": entry("F16", [4], 0, 8), "b": entry("BF16", [4], 8, 16)}, four))
    put("safetensors", "doubles", file({"a": entry("F64", [2], 0, 16)}, four))
    put("safetensors", "integers", file({"a": entry("I64", [], 0, 8), "b": entry("F32", [2], 8, 16)}, four))
    put("safetensors", "nothing", file({}))
    zero = entry("F32", [0], 0, 0)
    put("safetensors", "zero-sizes-share-an-offset", file({"a": zero, "b": zero, "c": entry("F32", [4, 0], 0, 0)}))
    put("safetensors", "zero-size-amid", file({"a": entry("F32", [2], 0, 8), "b": entry("F32", [0, 1 << 40], 8, 8),
                                               "c": entry("F32", [2], 8, 16)}, four))
    put("safetensors", "zero-size-outside", file({"a": entry("F32", [0], 99, 99), "b": entry("F32", [4], 0, 16)}, four))
    put("safetensors", "product-overflows", file({"a": entry("F32", [1 << 32, 1 << 32], 0, 16)}, four))
    put("safetensors", "product-overflows-to-16", file({"a": entry("F32", [(1 << 62) + 4], 0, 16)}, four))
    put("safetensors", "product-overflows-to-0", file({"a": entry("F32", [1 << 32, 1 << 32], 0, 0)}))
    put("safetensors", "end-before-begin", file({"a": entry("F32", [4], 16, 0)}, four))
    put("safetensors", "negative-offsets", file({"a": entry("F32", [4], -16, 0)}, four))
    put("safetensors", "negative-shape", file({"a": entry("F32", [-2, -2], 0, 16)}, four))
    put("safetensors", "larger-than-its-offsets", file({"a": entry("F32", [64], 0, 16)}, four))
    put("safetensors", "beyond-the-file", file({"a": entry("F32", [64], 0, 256)}, four))
    put("safetensors", "overlap", file({"a": entry("F32", [2], 0, 8), "b": entry("F32", [3], 4, 16)}, four))
    put("safetensors", "hole", file({"a": entry("F32", [1], 0, 4), "b": entry("F32", [2], 8, 16)}, four))
    put("safetensors", "bytes-left", file({"a": entry("F32", [2], 0, 8)}, four))
    text = json.dumps(entry("F32", [4], 0, 16))
    put("safetensors", "duplicate-keys", file(f'{{"a": {text}, "a": {text}}}'.encode(), four))
    put("safetensors", "duplicate-fields", file(
        b'{"a": {"dtype": "F32", "dtype": "F16", "shape": [4], "data_offsets": [0, 16]}}', four))
    put("safetensors", "escaped-duplicate", file(f'{{"a": {text}, "\\u0061": {text}}}'.encode(), four))
    put("safetensors", "fractions", file(b'{"a": {"dtype": "F32", "shape": [4.0], "data_offsets": [0, 1.6e1]}}', four))
    put("safetensors", "booleans", file(b'{"a": {"dtype": "F32", "shape": [true], "data_offsets": [false, 4]}}', four[:4]))
    put("safetensors", "huge-numbers", file(
        b'{"a": {"dtype": "F32", "shape": [18446744073709551620], "data_offsets": [0, 18446744073709551632]}}', four))
    put("safetensors", "header-longer-than-the-file", file({}, length=1 << 40))
    put("safetensors", "header-of-2-to-the-64", file({}, length=(1 << 64) - 1))
    put("safetensors", "header-above-the-limit", file({}, length=100_000_001))
    put("safetensors", "not-utf-8", file(b'{"\xff\xfe": 1}'))
    put("safetensors", "deep", file(b'{"a": ' + b"[" * 3000))
    put("safetensors", "line-end-in-a-name", file({"a\nb\u001b[2J": entry("F32", [64], 0, 16)}, four))
    put("safetensors", "array", file(b"[1, 2]"))
    put("safetensors", "short", b"\0\0")


def diffusers():
    config = {
        "_class_name": "UNet2DModel", "_diffusers_version": "0.30.0", "sample_size": 4, "in_channels": 1,
        "out_channels": 1, "layers_per_block": 1, "block_out_channels": [4, 8],
        "down_block_types": ["DownBlock2D", "AttnDownBlock2D"], "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
        "norm_num_groups": 2, "attention_head_dim": 4, "freq_shift": 0, "flip_sin_to_cos": True, "act_fn": "silu",
        "center_input_sample": False, "dropout": 0.0, "norm_eps": 1e-5, "class_embed_type": None,
        "num_class_embeds": None, "resnet_time_scale_shift": "default", "time_embedding_type": "positional",
    }
    def put_config(name, **changes):
        put("diffusers-config", name, json.dumps(config | changes))
    put_config("plain")
    put_config("fourier", time_embedding_type="fourier")
    put_config("classes", num_class_embeds=10)
    put_config("huge", block_out_channels=[1 << 30, 1 << 30])
    put_config("many-stages", block_out_channels=[4] * 60, down_block_types=["DownBlock2D"] * 60,
               up_block_types=["UpBlock2D"] * 60)
    put_config("no-stages", block_out_channels=[], down_block_types=[], up_block_types=[])
    put_config("many-blocks", layers_per_block=1000000)
    put_config("no-groups", norm_num_groups=0)
    put_config("no-heads", attention_head_dim=0)
    put_config("largest-image", sample_size=[4096, 4096])
    put_config("negative", sample_size=-4)
    put_config("many-classes", num_class_embeds=999999999)
    put_config("infinite", norm_eps=float("inf"))
    put("diffusers-config", "twice", '{"sample_size": 4, "sample_size": 8}')
    put("diffusers-config", "deep", '{"a": ' + "[" * 2000)
    put("diffusers-config", "empty", "")
    scheduler = {
        "_class_name": "DDPMScheduler", "num_train_timesteps": 100, "beta_start": 1e-4, "beta_end": 0.02,
        "beta_schedule": "linear", "trained_betas": None, "prediction_type": "epsilon", "clip_sample": False,
        "variance_type": "fixed_small", "rescale_betas_zero_snr": False, "timestep_spacing": "leading",
    }
    def put_scheduler(name, **changes):
        put("diffusers-scheduler", name, json.dumps(scheduler | changes))
    put_scheduler("plain")
    put_scheduler("cosine", beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction")
    put_scheduler("scaled", beta_schedule="scaled_linear")
    put_scheduler("trained", trained_betas=[0.1, 0.2], num_train_timesteps=2)
    put_scheduler("many-levels", num_train_timesteps=1000000)
    put_scheduler("no-levels", num_train_timesteps=0)
    put_scheduler("betas-above-1", beta_end=2)
    put_scheduler("betas-not-numbers", trained_betas=["a", None], num_train_timesteps=2)
    put_scheduler("zero-snr", rescale_betas_zero_snr=True)
    put_scheduler("stranger", _class_name="a\nb", surprise=1)
    put("diffusers-scheduler", "array", "[]")


def text():
    words = ["a", "b", "a</w>", "b</w>", "!", "!</w>", "aa", "aab</w>", "ab</w>", "<|startoftext|>", "<|endoftext|>"]
    added = [dict(id=i, content=words[i], single_word=False, lstrip=False, rstrip=False, normalized=i == 9, special=True)
             for i in (9, 10)]
    model = dict(type="BPE", dropout=None, unk_token=words[10], continuing_subword_prefix="", end_of_word_suffix="</w>",
                 fuse_unk=False, byte_fallback=False, ignore_merges=False, vocab={w: i for i, w in enumerate(words)},
                 merges=[["a", "a"], ["aa", "b</w>"], "a b</w>"])
    tokenizer = dict(
        version="1.0", truncation=None, padding=None, added_tokens=added,
        normalizer=dict(type="Sequence", normalizers=[dict(type="NFC"), dict(type="Replace"), dict(type="Lowercase")]),
        pre_tokenizer=dict(type="Sequence", pretokenizers=[dict(type="Split"), dict(type="ByteLevel")]),
        post_processor=dict(type="RobertaProcessing"), decoder=dict(type="ByteLevel"), model=model)
    def put_tokenizer(name, **changes):
        put("tokenizer", name, json.dumps(tokenizer | changes))
    put_tokenizer("plain")
    put_tokenizer("another-kind", model=model | dict(type="Unigram"))
    put_tokenizer("no-model", model=None)
    put_tokenizer("merge-of-nothing", model=model | dict(merges=[["a", "z"]]))
    put_tokenizer("merge-of-three", model=model | dict(merges=["a b c"]))
    put_tokenizer("negative", model=model | dict(vocab=model["vocab"] | {"a": -1}))
    put_tokenizer("far-number", model=model | dict(vocab=model["vocab"] | {"a": 1 << 40}))
    put_tokenizer("fractions", model=model | dict(vocab=model["vocab"] | {"a": 0.5}))
    put_tokenizer("empty-vocabulary", model=model | dict(vocab={}))
    put_tokenizer("added-beyond", added_tokens=added + [added[0] | dict(id=99, content="<x>")])
    put_tokenizer("added-empty", added_tokens=[added[0] | dict(content="")])
    put_tokenizer("strips", added_tokens=[added[0] | dict(lstrip=True)])
    put_tokenizer("other-steps", normalizer=dict(type="NFKC"))
    put("tokenizer", "deep", '{"model": ' + "[" * 2000)
    put("tokenizer", "empty", "")
    put("merges", "plain", "#version: 0.2\na a\naa a</w>\na b</w>\n")
    put("merges", "no-version", "a b\r\na b</w>\r\n")
    put("merges", "three", "a b b\n")
    put("merges", "stranger", "a z\n")
    put("merges", "not-text", b"\xff\xfe a\n")
    put("merges", "empty", "")
    put("prompt", "plain", "A red tower, aaaa!! it's <|endoftext|>")
    put("prompt", "empty", "")
    put("prompt", "marks", "e\u0301\u0327\u0301 \u1112\u1161\u11ab \u0130\u03a3" + "\u0301\u0327" * 200)
    put("prompt", "long", "a" * 4000)
    put("prompt", "not-text", b"\xff\xfe\xf0\x9f\x98")
    config = dict(architectures=["CLIPTextModel"], model_type="clip_text_model", vocab_size=11, hidden_size=4,
                  num_hidden_layers=1, num_attention_heads=2, intermediate_size=6, max_position_embeddings=77,
                  hidden_act="quick_gelu", layer_norm_eps=1e-5)
    def put_config(name, **changes):
        put("text-config", name, json.dumps(config | changes))
    put_config("plain")
    put_config("huge", vocab_size=1 << 30, hidden_size=1 << 30)
    put_config("many-layers", num_hidden_layers=1024)
    put_config("no-heads", num_attention_heads=0)
    put_config("negative", hidden_size=-4)
    put_config("infinite", layer_norm_eps=float("inf"))
    put_config("stranger", surprise="a\nb")
    put("text-config", "empty", "")


for write in (yaml, formula, csv, npy, png, idx, cifar, safetensors, diffusers, text):
    write()
