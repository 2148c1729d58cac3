#!/usr/bin/env python3
"""Make a SwitchTransformers checkpoint of random bfloat16 weights with the dimensions of switch-base.

    random-switch-model.py OUT Sources/EmbeddedModel/switch-mini-16    # needs torch and safetensors

4 layers each in encoder and decoder, every other one with 8 experts; d_model 768, d_ff 3072, 12 heads of 64,
32128 ids, encoder and decoder share embeddings, the head is a matrix of its own. The folder named second gives
the tokenizer. What such a model writes is nonsense; it is there to be timed.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

SIZE, INNER, HEADS, HEAD, LAYERS, EXPERTS, IDS = 768, 3072, 12, 64, 4, 8, 32128
out, source = Path(sys.argv[1]), Path(sys.argv[2])
out.mkdir(parents=True, exist_ok=True)
config = json.loads((source / "config.json").read_text())
config |= dict(d_model=SIZE, d_ff=INNER, d_kv=HEAD, num_heads=HEADS, num_layers=LAYERS, num_decoder_layers=LAYERS)
config |= dict(num_experts=EXPERTS, vocab_size=IDS, eos_token_id=IDS - 1, tie_word_embeddings=False)
(out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
for file in source.glob("tokenizer*"):
    shutil.copy(file, out)

generator = torch.Generator().manual_seed(1)
tensors = {}


def draw(name, rows, columns, spread=None):
    weights = torch.randn(rows, columns, generator=generator) * (spread or columns**-0.5)
    tensors[f"{name}.weight"] = weights.to(torch.bfloat16)


draw("shared", IDS, SIZE, 1.0)
draw("lm_head", IDS, SIZE)
for stack in ("encoder", "decoder"):
    attentions = ["SelfAttention"] + ["EncDecAttention"] * (stack == "decoder")
    norms = [f"{stack}.final_layer_norm"]
    draw(f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias", 32, HEADS, 1.0)
    for layer in range(LAYERS):
        parts = [f"{stack}.block.{layer}.layer.{part}" for part in range(len(attentions) + 1)]
        norms += [f"{part}.layer_norm" for part in parts]
        for part, attention in zip(parts, attentions):
            for matrix in "qkvo":
                draw(f"{part}.{attention}.{matrix}", SIZE, SIZE)
        network = [f"{parts[-1]}.mlp"]
        if layer % 2 == 1:
            draw(f"{parts[-1]}.mlp.router.classifier", EXPERTS, SIZE, 0.05)
            network = [f"{parts[-1]}.mlp.experts.expert_{index}" for index in range(EXPERTS)]
        for name in network:
            draw(f"{name}.wi", INNER, SIZE)
            draw(f"{name}.wo", SIZE, INNER)
    tensors |= {f"{norm}.weight": torch.ones(SIZE, dtype=torch.bfloat16) for norm in norms}
save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
