#!/usr/bin/env python3
"""Make a compressed Qwen3-MoE model with more experts than memory has room for. Needs numpy.

    many-experts-model.py checkpoint OUT Sources/EmbeddedModel/qwen3moe-mini    # one layer of 16 experts
    qmoe compress OUT SMALL --method rtn --dense-bits 4 --samples 2             # as small as it gets quickly
    many-experts-model.py multiply SMALL BIG --layers 24 --experts 128

The first step makes a checkpoint of random bfloat16 weights with the dimensions of Qwen3-30B-A3B: hidden 2048,
experts of 768, 8 for a token, 32 heads of 128 with 4 for keys and values. The last copies its layer and its experts,
which have no names inside of their blocks, and makes routers of its own: each expert's row has its own length, so that
some are chosen much more often than others. `--skew` is the deviation of the lengths' logarithm. What such a model
writes is nonsense; it is there to be timed.
"""

import argparse
import json
import shutil
import struct
from pathlib import Path

import numpy as np

SIZE, INNER, HEADS, KEY_HEADS, HEAD, CHOSEN, IDS = 2048, 768, 32, 4, 128, 8, 4096
COPIED = ["tokenizer*", "generation_config.json"]


def write(path, tensors, alignment=64):
    """Writes `(name, type, shape, bytes)` to a safetensors file, each at a multiple of `alignment`."""
    entries, position = {"__metadata__": {"format": "pt"}}, 0
    padded = []
    for name, kind, shape, data in tensors:
        rest = -len(data) % alignment if kind == "U8" else 0
        shape = [len(data) + rest] if kind == "U8" else shape
        entries[name] = {"dtype": kind, "shape": shape, "data_offsets": [position, position + len(data) + rest]}
        position += len(data) + rest
        padded.append((data, rest))
    header = json.dumps(entries).encode()
    header += b" " * (-(8 + len(header)) % alignment)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for data, rest in padded:
            file.write(data)
            file.write(bytes(rest))


def read(folder):
    """The tensors of a folder by name: type, shape, bytes."""
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
            for name, entry in header.items():
                if name == "__metadata__":
                    continue
                start, end = entry["data_offsets"]
                file.seek(8 + length + start)
                tensors[name] = (entry["dtype"], entry["shape"], file.read(end - start))
    return tensors


def bfloat16(numbers):
    return (np.ascontiguousarray(numbers, dtype="<f4").view("<u4") + 0x8000 >> 16).astype("<u2").tobytes()


def random(generator, rows, columns, spread=None):
    return generator.standard_normal((rows, columns), dtype=np.float32) * (spread or columns**-0.5)


def checkpoint(out, source, experts=16):
    out.mkdir(parents=True)
    for pattern in COPIED:
        for file in source.glob(pattern):
            shutil.copy(file, out)
    config = json.loads((source / "config.json").read_text())
    config |= dict(hidden_size=SIZE, moe_intermediate_size=INNER, intermediate_size=6144, num_experts=experts)
    config |= dict(num_attention_heads=HEADS, num_key_value_heads=KEY_HEADS, head_dim=HEAD)
    config |= dict(num_local_experts=experts, num_experts_per_tok=CHOSEN, num_hidden_layers=1, vocab_size=IDS)
    config |= dict(tie_word_embeddings=False, max_position_embeddings=40960)
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    generator = np.random.default_rng(1)
    tensors = []

    def add(name, numbers):
        tensors.append((f"{name}.weight", "BF16", list(numbers.shape), bfloat16(numbers)))

    layer = "model.layers.0"
    # So large that what a token is decides more about its experts than what all tokens have in common.
    add("model.embed_tokens", random(generator, IDS, SIZE, 4))
    add("lm_head", random(generator, IDS, SIZE))
    add("model.norm", np.ones(SIZE))
    for norm, size in [("input_layernorm", SIZE), ("post_attention_layernorm", SIZE)]:
        add(f"{layer}.{norm}", np.ones(size))
    for part, rows, columns in [
        ("q_proj", HEADS * HEAD, SIZE), ("k_proj", KEY_HEADS * HEAD, SIZE), ("v_proj", KEY_HEADS * HEAD, SIZE),
        ("o_proj", SIZE, HEADS * HEAD),
    ]:
        add(f"{layer}.self_attn.{part}", random(generator, rows, columns))
    for part in ["q_norm", "k_norm"]:
        add(f"{layer}.self_attn.{part}", np.ones(HEAD))
    add(f"{layer}.mlp.gate", random(generator, experts, SIZE))
    for expert in range(experts):
        for part, rows, columns in [("gate", INNER, SIZE), ("up", INNER, SIZE), ("down", SIZE, INNER)]:
            add(f"{layer}.mlp.experts.{expert}.{part}_proj", random(generator, rows, columns))
    write(out / "model.safetensors", tensors)


def multiply(source, out, layers, experts, skew):
    out.mkdir(parents=True)
    for pattern in COPIED:
        for file in source.glob(pattern):
            shutil.copy(file, out)
    config = json.loads((source / "config.json").read_text())
    known = config.get("num_experts") or config["num_local_experts"]
    config |= dict(num_hidden_layers=layers, num_experts=experts, num_local_experts=experts)
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    generator = np.random.default_rng(2)
    tensors = read(source)
    first, shards = "model.layers.0.", [[]]
    for name, tensor in tensors.items():
        if not name.startswith(first):
            shards[0].append((name, *tensor))
    for layer in range(layers):
        prefix, blocks = f"model.layers.{layer}.", []
        for name, tensor in tensors.items():
            if name.startswith(first) and ".experts." not in name and ".mlp.gate." not in name:
                shards[0].append((prefix + name.removeprefix(first), *tensor))
        lengths = np.exp(skew * generator.standard_normal((experts, 1), dtype=np.float32))
        router = random(generator, experts, SIZE) * lengths
        shards[0].append((f"{prefix}mlp.gate.weight", "BF16", [experts, SIZE], bfloat16(router)))
        for expert in range(experts):
            block = tensors[f"{first}mlp.experts.{(expert + layer) % known}.packed"]
            blocks.append((f"{prefix}mlp.experts.{expert}.packed", *block))
        shards.append(blocks)
    index = {"metadata": {}, "weight_map": {}, "qmoe_shards": {}}
    for number, shard in enumerate(shards):
        file = f"model-{number + 1:05d}-of-{len(shards):05d}.safetensors"
        write(out / file, shard, alignment=64 if number == 0 else 4096)
        index["weight_map"] |= {tensor[0]: file for tensor in shard}
    (out / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")


arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
steps = arguments.add_subparsers(dest="step", required=True)
make = steps.add_parser("checkpoint")
make.add_argument("out", type=Path)
make.add_argument("tokenizer", type=Path)
copy = steps.add_parser("multiply")
copy.add_argument("small", type=Path)
copy.add_argument("big", type=Path)
copy.add_argument("--layers", type=int, default=24)
copy.add_argument("--experts", type=int, default=128)
copy.add_argument("--skew", type=float, default=0.5)
options = arguments.parse_args()
if options.step == "checkpoint":
    checkpoint(options.out, options.tokenizer)
else:
    multiply(options.small, options.big, options.layers, options.experts, options.skew)
