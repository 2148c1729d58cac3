#!/usr/bin/env python3
"""Make the files of this folder with torch.save itself, and what is in them.

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 numpy safetensors
    venv/bin/python make_files.py

  types.bin     tensors of all types that qmoe reads, scalars, empty ones, views of one storage; types.json tells
                type, shape and bytes of each
  refused/*     what torch.save can write and qmoe refuses: the form of PyTorch before 1.6, a tensor with strides of
                its own, a module, a complex tensor, a training state with more than tensors
  switch/       the checkpoint ../switch-variants/published-names, the names of which are those of switch-c-2048, as
                transformers before 4.35 saved it: an OrderedDict with attributes
  sharded/      ../switch-variants/router-bias in two shards, embeddings under all their names
"""

import json
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import load_file

FOLDER = Path(__file__).resolve().parent
VARIANTS = FOLDER.parent / "switch-variants"

NAMES = {
    torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8",
    torch.bool: "BOOL", torch.uint16: "U16", torch.uint32: "U32", torch.uint64: "U64",
    torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2",
}  # fmt: skip


def write(name, value, **options):
    path = FOLDER / name
    path.parent.mkdir(exist_ok=True)
    torch.save(value, path, **options)


def types():
    torch.manual_seed(1)
    tensors = OrderedDict()
    for dtype, name in NAMES.items():
        tensors[f"of {name}"] = (torch.randn(3, 5) * 9).abs().to(dtype)
    shared = torch.randn(6, 4)
    tensors["whole"] = shared
    tensors["rows"] = shared[2:5]
    tensors["row"] = shared[3]
    tensors["scalar"] = torch.tensor(-2.5)
    tensors["empty"] = torch.zeros(0, 7)
    tensors["unit dimensions"] = torch.randn(5, 3)[1:4, :].unsqueeze(0).unsqueeze(2)
    tensors["parameter"] = torch.nn.Parameter(torch.randn(2, 3))
    tensors["naïve 名"] = torch.randn(2)
    write("types.bin", dict(tensors))
    golden = {
        name: {
            "type": NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "bytes": bytes(
                tensor.detach().contiguous().reshape(-1).view(torch.uint8).tolist()
            ).hex(),
        }
        for name, tensor in tensors.items()
    }
    (FOLDER / "types.json").write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")


def refused():
    write("refused/legacy.bin", {"a": torch.ones(2)}, _use_new_zipfile_serialization=False)
    write("refused/strided.bin", {"a": torch.ones(2, 3), "turned": torch.randn(4, 3).t()})
    write("refused/module.bin", torch.nn.Linear(2, 2))
    write("refused/complex.bin", {"a": torch.ones(2, dtype=torch.complex64)})
    write("refused/training.bin", {"model": {"a": torch.ones(2)}, "rate": 0.1, "steps": [1, 2]})


def checkpoints():
    tensors = load_file(VARIANTS / "published-names" / "model.safetensors")
    state = OrderedDict((name, tensors[name]) for name in sorted(tensors))
    state._metadata = OrderedDict([("", {"version": 1}), ("shared", {"version": 1})])
    write("switch/pytorch_model.bin", state)

    tensors = load_file(VARIANTS / "router-bias" / "model.safetensors")
    for name in ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"]:
        tensors[name] = tensors["shared.weight"]
    names = sorted(tensors)
    shared = [name for name in names if tensors[name] is tensors["shared.weight"]]
    half = [name for name in names if name.startswith("encoder.block")]
    shards = [half, [name for name in names if name not in half]]
    assert set(shared) <= set(shards[1])
    weight_map = {}
    for number, shard in enumerate(shards, 1):
        file = f"pytorch_model-{number:05}-of-{len(shards):05}.bin"
        write(f"sharded/{file}", {name: tensors[name] for name in shard})
        weight_map |= dict.fromkeys(shard, file)
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (FOLDER / "sharded" / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2) + "\n")


types()
refused()
checkpoints()
