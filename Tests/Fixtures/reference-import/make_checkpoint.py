#!/usr/bin/env python3
"""Make a compressed checkpoint with the QMoE authors' own code, and what they decode of it.

    git clone https://github.com/IST-DASLab/qmoe && git -C qmoe checkout 9110baa
    python3 -m venv venv && venv/bin/pip install torch==2.15.0 numpy safetensors
    venv/bin/python make_checkpoint.py qmoe

The model is ../switch-variants/sparse-everywhere. Its experts are rounded by the authors' `quant.Quantizer`, packed by
`sub1.Sub1Linear.make` with the dictionary of `sub1.setup`, and written by `sub1.Sub1CheckpointManager`. Only their CUDA
kernels do not run here: `pack` and `unpack` below are Sub1PreparePack, Sub1Pack and the decoding of Sub1MatVec
(sub1_cuda_kernel.cu), loop by loop.

  compressed/       config.json, noexp.pt, exp00.pt … exp03.pt, sizes.pt
  decoded.safetensors   all tensors of the model; the experts' as `unpack` gives them, which is checked to be what went in
  dictionary.json   zlib's CRC-32 of the decoding table `sub1.dec`, 2^16 × 2 numbers of 32 bits, little-endian

Some rows are made to be special: of zeros, without negative or positive weights, all weights the same, levels 2^20 times
as large as others.
"""

import json
import shutil
import sys
import types
import zlib
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

FOLDER = Path(__file__).resolve().parent
SOURCE = FOLDER.parent / "switch-variants" / "sparse-everywhere"
TRIE_ROOT = 65536


def pack(trie, w_tern, row_off):
    """Sub1PreparePack and Sub1Pack."""
    trie = trie.tolist()
    words, height, width = [], *w_tern.shape
    for row, symbols in enumerate(w_tern.tolist()):
        node = TRIE_ROOT
        start = len(words)
        for i in range(0, width, 2):
            num = 0
            for j in (1, 0):
                if i + j < width:
                    num = 3 * num + symbols[i + j]
            if trie[node][num] == -1:
                words.append(node)
                node = TRIE_ROOT
            node = trie[node][num]
        words.append(node)
        row_off[row + 1] = len(words) - start
    row_off[0] = 0
    row_off.copy_(row_off.cumsum(0))
    return torch.tensor(words, dtype=torch.int32).to(torch.int16)


def unpack(dec, linear, width):
    """The decoding in Sub1MatVec."""
    dec = dec.tolist()
    offsets, words = linear.row_off.tolist(), linear.w_comp.tolist()
    rows = []
    for row in range(len(offsets) - 1):
        levels = [torch.tensor(0.0).bfloat16(), *linear.ter_minmax[2 * row : 2 * row + 2]]
        weights = torch.zeros(width + 28, dtype=torch.bfloat16)
        idx = 0
        for word in words[offsets[row] : offsets[row + 1]]:
            enc = word & 0xFFFF
            for thread in range(28):
                wx14 = dec[2 * enc + thread // 14]
                ter = wx14 >> (4 + 2 * (thread % 14)) & 3
                if idx + thread < len(weights) and ter:
                    weights[idx + thread] = levels[ter]
            idx += 2 * (wx14 & 0xF)
        rows.append(weights[:width])
    return torch.stack(rows)


def reference(folder):
    """The authors' modules, which ask for a GPU, the compiled kernels and transformers."""
    kernels = types.ModuleType("sub1_cuda")
    kernels.sub1pack = pack
    sys.modules["sub1_cuda"] = kernels
    sys.modules["transformers"] = types.ModuleType("transformers")
    sys.path.insert(0, str(folder))
    device, count = torch.device, torch.cuda.device_count
    torch.device, torch.cuda.device_count = (lambda *_: device("cpu")), (lambda: 1)
    import quant
    import sub1

    torch.device, torch.cuda.device_count = device, count
    return quant, sub1


class Loaded:
    """What Sub1CheckpointManager takes as a lazily loaded layer."""

    def __init__(self, weight):
        self.weight = weight

    def load(self, _):
        self.linear = torch.nn.Linear(*reversed(self.weight.shape), bias=False)
        self.linear.weight.data = self.weight


class Config:
    """config.json as the authors mark that all layers are sparse."""

    def save_pretrained(self, path):
        config = json.loads((SOURCE / "config.json").read_text())
        config |= {"is_full_sparse": True, "torch_dtype": self.torch_dtype}
        del config["encoder_sparse_step"], config["decoder_sparse_step"]
        Path(path, "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def special(weight, number):
    """Rows that a quantizer or a format could get wrong."""
    weight[0] = 0
    weight[1] = weight[1].abs()
    weight[2] = -weight[2].abs()
    weight[3] = 0.75
    weight[4] = -0.75
    weight[5, 0], weight[5, 1:] = 0.5, 0
    if number % 2:
        weight[6] *= 2.0**20
        weight[7] *= 2.0**-20


def main(checkout):
    quant, sub1 = reference(checkout)
    table = sub1.dec.numpy().astype("<i4").tobytes()
    (FOLDER / "dictionary.json").write_text(json.dumps({"crc32": f"{zlib.crc32(table):08x}"}) + "\n")

    tensors = load_file(SOURCE / "model.safetensors")
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    shared = tensors.get("shared.weight", tensors.get("encoder.embed_tokens.weight")).clone()
    for name in ["shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"]:
        tensors[name] = shared
    experts = sorted(name for name in tensors if ".experts." in name)
    for number, name in enumerate(experts):
        weight = tensors[name].float()
        special(weight, number)
        quantizer = quant.Quantizer()
        quantizer.configure(1.5)
        quantizer.find_params(weight)
        tensors[name] = quant.quantize(
            weight, quantizer.scale, quantizer.zero, quantizer.maxq
        ).bfloat16()

    dense = OrderedDict(
        (name, tensors[name]) for name in sorted(tensors)
        if name not in experts and tensors[name].ndim != 2 or "embed" in name or "shared" in name
        or "relative_attention_bias" in name
    )  # fmt: skip
    dense._metadata = OrderedDict([("", {"version": 1})])
    linears = {
        name.removesuffix(".weight"): Loaded(tensors[name]) for name in sorted(tensors)
        if name not in dense
    }  # fmt: skip
    model = types.SimpleNamespace(state_dict=lambda: dense, config=Config())
    loader = types.SimpleNamespace(load=lambda *_, **__: None)
    folder = FOLDER / "compressed"
    shutil.rmtree(folder, ignore_errors=True)
    manager = sub1.Sub1CheckpointManager(str(folder), model, loader, linears)

    layers = sorted(
        {name.split(".experts.")[0] for name in experts},
        key=lambda name: (name.startswith("decoder"), int(name.split(".")[2])),
    )
    decoded = {name: tensor for name, tensor in manager.sd_noexp.items()}
    for layer in layers:
        count = len({name.split(".")[7] for name in experts if name.startswith(layer + ".")})
        for index in range(count):
            name = f"{layer}.experts.expert_{index}"
            parts = {}
            for part in ["wi", "wo"]:
                weight = tensors[f"{name}.{part}.weight"]
                parts[part] = types.SimpleNamespace(linear=types.SimpleNamespace(weight=weight))
            manager.add_expert(name, types.SimpleNamespace(**parts))
            for part in ["wi", "wo"]:
                weight = tensors[f"{name}.{part}.weight"]
                linear = sub1.Sub1Linear.make(weight)
                values = unpack(sub1.dec, linear, weight.shape[1])
                assert torch.equal(values, weight), f"{name}.{part}"
                decoded[f"{name}.{part}.weight"] = values
        manager.save_experts()
    manager.finalize()
    save_file({n: t.contiguous().clone() for n, t in decoded.items()}, FOLDER / "decoded.safetensors")


if __name__ == "__main__":
    main(sys.argv[1])
