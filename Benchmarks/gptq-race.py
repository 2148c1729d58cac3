#!/usr/bin/env python3
"""Race `qmoe bench --compression` against the reference implementation's `batch_gptq` on the same matrices.

    git clone https://github.com/IST-DASLab/qmoe reference
    gptq-race.py reference .build/release/qmoe FOLDER    # needs torch and numpy; FOLDER is for the data

Experts of the shapes of switch-c-2048 with random weights, and random inputs whose columns know of each other. Both
sides read the same file, get as many threads, and are measured in turns; medians of the rounds. Seconds are those of
Hessians and quantization of all experts, on our side also of coding the result and of measuring its error; neither
side counts reading the data.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy
import torch

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("reference", type=Path)
parser.add_argument("qmoe", type=Path)
parser.add_argument("folder", type=Path)
parser.add_argument("--experts", type=int, default=2)
parser.add_argument("--tokens", type=int, default=2500)
parser.add_argument("--model", type=int, default=2080, help="columns of wi")
parser.add_argument("--inner", type=int, default=6144, help="columns of wo")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
options = parser.parse_args()

sys.path.insert(0, str(options.reference))
# The reference is made for GPUs, and imports transformers without need.
torch.cuda.synchronize = lambda device=None: None
sys.modules.setdefault("transformers", types.ModuleType("transformers"))

from gptq import batch_gptq, hessian  # noqa: E402
from quant import Quantizer  # noqa: E402

SHAPES = {"wi": (options.inner, options.model), "wo": (options.model, options.inner)}


def make_data():
    """Weights and inputs of all experts, also as a safetensors file."""
    torch.manual_seed(1)
    tensors = {}
    for name, (rows, columns) in SHAPES.items():
        for expert in range(options.experts):
            weights = torch.randn(rows, columns) / columns**0.5
            # Hidden states: some directions count more than others, columns differ in size, and have means.
            shared = torch.randn(options.tokens, 64) @ torch.randn(64, columns) / 8
            inputs = (shared + 0.5 * torch.randn(options.tokens, columns)) * (0.5 + torch.rand(columns))
            if name == "wo":
                inputs = inputs.relu()
            tensors[f"{name}.{expert}.weights"] = weights.bfloat16().float()
            tensors[f"{name}.{expert}.inputs"] = inputs
    header, end = {}, 0
    for name, tensor in tensors.items():
        size = 4 * tensor.numel()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    options.folder.mkdir(parents=True, exist_ok=True)
    with open(options.folder / "model.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            tensor.numpy().tofile(file)
    return tensors


def read_symbols():
    """The symbols that we wrote, by the matrix's name."""
    data = (options.folder / "symbols.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    symbols = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__":
            first, end = (8 + length + offset for offset in entry["data_offsets"])
            values = numpy.frombuffer(data[first:end], dtype=numpy.uint8).reshape(entry["shape"])
            symbols[name.removesuffix(".symbols")] = torch.from_numpy(values.copy())
    return symbols


def run_reference(tensors):
    """Quantizes experts as the reference's switch.py does: Hessians one by one, then all matrices of a kind together."""
    quantized = {}
    # It prints what it has lost.
    stdout, sys.stdout = sys.stdout, open(os.devnull, "w")
    start = time.perf_counter()
    for name in SHAPES:
        experts = [f"{name}.{expert}" for expert in range(options.experts)]
        hessians = torch.stack([hessian(tensors[f"{expert}.inputs"]) for expert in experts])
        quantizer = Quantizer()
        quantizer.configure(1.5)
        result = batch_gptq(torch.stack([tensors[f"{expert}.weights"] for expert in experts]), hessians, quantizer)
        quantized.update(zip(experts, result))
    seconds = time.perf_counter() - start
    sys.stdout = stdout
    return seconds, quantized


def run_ours(threads):
    command = [options.qmoe, "bench", "--compression", "--json"]
    command += ["--matrices", options.folder, "--threads", str(threads)]
    rows = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["rows"]
    return sum(row["elapsed_seconds"] for row in rows), rows


def output_error(tensors, quantized):
    """Squared error of the outputs over their square, in double precision, the mean of all matrices."""
    errors = []
    for name, result in quantized.items():
        inputs, weights = tensors[f"{name}.inputs"], tensors[f"{name}.weights"]
        error, signal = inputs @ (weights - result).T, inputs @ weights.T
        errors.append(error.double().square().sum().item() / signal.double().square().sum().item())
    return statistics.mean(errors)


tensors = make_data()
for threads in options.threads:
    torch.set_num_threads(threads)
    times = {"reference": [], "ours": []}
    for _ in range(options.rounds):
        seconds, reference = run_reference(tensors)
        times["reference"].append(seconds)
        seconds, rows = run_ours(threads)
        times["ours"].append(seconds)
    agreeing, total, ours = 0, 0, {}
    for name, symbols in read_symbols().items():
        expected = torch.sign(reference[name]).to(torch.int8)
        found = symbols.to(torch.int8) - 1
        agreeing += (expected == found).sum().item()
        total += found.numel()
        # Whole rows have their extremes as levels, on both sides.
        weights = tensors[f"{name}.weights"]
        low = weights.amin(1, keepdim=True).clamp(max=0)
        high = weights.amax(1, keepdim=True).clamp(min=0)
        ours[name] = torch.where(found > 0, high, torch.where(found < 0, low, torch.zeros(())))
    medians = {side: statistics.median(seconds) for side, seconds in times.items()}
    print(f"threads {threads}, {options.experts} experts, {options.tokens} tokens each; ours: {rows[0]['blas']}")
    for side, seconds in times.items():
        spread = " ".join(f"{value:.2f}" for value in seconds)
        print(f"  {side:9}  {medians[side] / options.experts:7.2f} s an expert (all: {spread})")
    print(f"  {medians['reference'] / medians['ours']:.2f} times as fast; {agreeing / total:.6f} of the symbols agree")
    print(f"  relative output error: reference {output_error(tensors, reference):.6f}, ours {output_error(tensors, ours):.6f}")
