#!/usr/bin/env python3
"""Makes golden.json of this folder with the reference implementation's own quantizer.

    git clone https://github.com/IST-DASLab/qmoe
    python make_golden.py qmoe        # needs torch and transformers; runs on the CPU

Weights are bfloat16 numbers, so that the levels of whole rows are stored exactly by both sides.
"""

import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, sys.argv[1])
torch.cuda.synchronize = lambda device=None: None

from gptq import batch_gptq, hessian  # noqa: E402
from quant import Quantizer  # noqa: E402

ROWS, COLUMNS, TOKENS = 12, 40, 90

torch.manual_seed(7)
weights = (0.3 * torch.randn(ROWS, COLUMNS)).bfloat16().float()
# Inputs with a mean and with correlated columns, as hidden states have them.
mixing = torch.randn(COLUMNS, COLUMNS) / COLUMNS**0.5
inputs = torch.randn(TOKENS, COLUMNS) @ mixing + 0.4 * torch.randn(COLUMNS)

cases = []
for bits in (1.5, 2, 3, 4, 8):
    for symmetric in (False, True):
        for order in (False, True):
            quantizer = Quantizer()
            quantizer.configure(bits, sym=symmetric)
            # Blocks of 16 columns, so that lazily carried errors count.
            result = batch_gptq(
                weights[None], hessian(inputs)[None], quantizer, blocksize=16, actorder=order
            )[0]
            cases.append(
                {
                    "bits": "ternary" if bits == 1.5 else str(bits),
                    "symmetric": symmetric,
                    "activation_order": order,
                    "quantized": result.flatten().tolist(),
                }
            )

golden = {
    "rows": ROWS,
    "columns": COLUMNS,
    "weights": weights.flatten().tolist(),
    "inputs": inputs.flatten().tolist(),
    "cases": cases,
}
text = json.dumps(golden, separators=(",", ":"))
(Path(__file__).resolve().parent / "golden.json").write_text(text + "\n")
