#!/usr/bin/env python3
"""Make `deepseek-v3-float8` of `deepseek-v3`: the same model as DeepSeek-V3 is published, its matrices in 8-bit
floats (E4M3) with a float32 scale for each block of 128 × 128 weights, and its golden values.

    OMP_NUM_THREADS=1 venv/bin/python make_float8.py        # after make_variants.py, with the same packages

The reference multiplies such matrices on GPUs only. Here it runs on what they stand for, number × scale in
float32. Routers, norms, embeddings and the head stay as they are, as in the published checkpoints.
"""

import json
import re
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from make_variants import FOLDER, golden_case
from reference import generate, read, run

SOURCE, OUT = FOLDER / "deepseek-v3", FOLDER / "deepseek-v3-float8"
BLOCK, LARGEST = 128, 448.0
# Another seed than that of deepseek-v3's cases would do as well; these are known to be no close calls there.
golden = json.loads((SOURCE / "golden.json").read_text())

tensors, plain = {}, {}
for name, tensor in load_file(SOURCE / "model.safetensors").items():
    tensors[name] = plain[name] = tensor
    if not re.search(r"(_proj|_proj_with_mqa)\.weight$", name):
        continue
    rows, columns = tensor.shape
    blocks = torch.zeros(-(-rows // BLOCK), -(-columns // BLOCK))
    numbers, meaning = torch.zeros_like(tensor, dtype=torch.float8_e4m3fn), torch.zeros(rows, columns)
    for row in range(0, rows, BLOCK):
        for column in range(0, columns, BLOCK):
            part = (slice(row, row + BLOCK), slice(column, column + BLOCK))
            scale = tensor[part].float().abs().max() / LARGEST
            blocks[row // BLOCK, column // BLOCK] = scale
            numbers[part] = (tensor[part].float() / scale).to(torch.float8_e4m3fn)
            meaning[part] = numbers[part].float() * scale
    tensors[name], tensors[f"{name}_scale_inv"], plain[name] = numbers, blocks, meaning

config = json.loads((SOURCE / "config.json").read_text())
with tempfile.TemporaryDirectory() as folder:
    folder = Path(folder)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(plain, folder / "model.safetensors", {"format": "pt"})
    model = read(folder)
    runs = [(case["input_ids"], run(model, case["input_ids"])) for case in golden["cases"]]
    generated, margin = generate(model, golden["prompt_ids"])
assert margin > 1e-3, margin

OUT.mkdir(exist_ok=True)
config["quantization_config"] = dict(
    activation_scheme="dynamic", fmt="e4m3", quant_method="fp8", weight_block_size=[BLOCK, BLOCK]
)
(OUT / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
save_file(tensors, OUT / "model.safetensors", {"format": "pt"})
golden |= {
    "purpose": "deepseek-v3 with its matrices in 8-bit floats, as published",
    "cases": [golden_case(ids, result) for ids, result in runs],
    "greedy_generation": generated,
    "greedy_margin": float(f"{margin:.3g}"),
}
del golden["change_by_noise_of_1e-6"]
(OUT / "golden.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
