#!/usr/bin/env python3
"""Make a Qwen3-MoE checkpoint of random bfloat16 weights with the dimensions of Qwen3-30B-A3B, but for its depth.

    random-qwen3-moe-model.py OUT Sources/EmbeddedModel/qwen3moe-mini [LAYERS]   # needs torch, safetensors

4 of 48 layers unless told otherwise (1.2 GB each), and of the 151936 ids the same share, so that the head weighs
as much as in the whole model: hidden 2048, 128 experts of 768 and 8 for a token, 32 heads of 128 with 4 for keys
and values. The folder named second gives the tokenizer. What such a model writes is nonsense; it is there to be
timed.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

SIZE, INNER, EXPERTS, HEADS, KEY_HEADS, HEAD = 2048, 768, 128, 32, 4, 128
out, source = Path(sys.argv[1]), Path(sys.argv[2])
layers = int(sys.argv[3]) if len(sys.argv) > 3 else 4
ids = max(4096, 151936 * layers // 48)  # the tokenizer has 4096
out.mkdir(parents=True, exist_ok=True)
config = json.loads((source / "config.json").read_text())
config |= dict(hidden_size=SIZE, moe_intermediate_size=INNER, intermediate_size=6144, num_local_experts=EXPERTS)
config |= dict(num_attention_heads=HEADS, num_key_value_heads=KEY_HEADS, head_dim=HEAD, num_experts_per_tok=8)
config |= dict(num_hidden_layers=layers, vocab_size=ids, tie_word_embeddings=False, max_position_embeddings=40960)
config["rope_parameters"]["rope_theta"] = 1e6
(out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
for file in source.glob("tokenizer*"):
    shutil.copy(file, out)

generator = torch.Generator().manual_seed(1)
shards = {}


def save(number, tensors):
    file = f"model-{number:05d}-of-{layers + 1:05d}.safetensors"
    save_file(tensors, out / file, metadata={"format": "pt"})
    shards.update({name: file for name in tensors})


def matrix(rows, columns, spread=None):
    return (torch.randn(rows, columns, generator=generator) * (spread or columns**-0.5)).to(torch.bfloat16)


def gains(count):
    return torch.ones(count, dtype=torch.bfloat16)


save(1, {
    "model.embed_tokens.weight": matrix(ids, SIZE, 1.0),
    "lm_head.weight": matrix(ids, SIZE),
    "model.norm.weight": gains(SIZE),
})
for layer in range(layers):
    name = f"model.layers.{layer}"
    tensors = {
        f"{name}.input_layernorm.weight": gains(SIZE),
        f"{name}.post_attention_layernorm.weight": gains(SIZE),
        f"{name}.self_attn.q_norm.weight": gains(HEAD),
        f"{name}.self_attn.k_norm.weight": gains(HEAD),
        f"{name}.self_attn.q_proj.weight": matrix(HEADS * HEAD, SIZE),
        f"{name}.self_attn.k_proj.weight": matrix(KEY_HEADS * HEAD, SIZE),
        f"{name}.self_attn.v_proj.weight": matrix(KEY_HEADS * HEAD, SIZE),
        f"{name}.self_attn.o_proj.weight": matrix(SIZE, HEADS * HEAD),
        f"{name}.mlp.gate.weight": matrix(EXPERTS, SIZE),
    }
    for expert in range(EXPERTS):
        for part, rows, columns in [("gate", INNER, SIZE), ("up", INNER, SIZE), ("down", SIZE, INNER)]:
            tensors[f"{name}.mlp.experts.{expert}.{part}_proj.weight"] = matrix(rows, columns)
    save(layer + 2, tensors)
index = {"metadata": {}, "weight_map": shards}
(out / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")
