"""Random weights with a spread that makes every part of the network matter, and the files they go to."""

import json
import re

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

# Pattern of a name in memory, mean, standard deviation; a deviation with "/" is divided by sqrt(inputs).
SPREADS = [
    (r"embed_tokens\.weight", 0.0, 1.0),
    (r"lm_head\.weight", 0.0, "2.5/"),
    (r"e_score_correction_bias", 0.0, 0.3),
    (r"mlp\.(gate|router)\.weight", 0.0, "router/"),
    (r"router\.bias", 0.0, 0.7),
    (r"sinks", 0.5, 1.5),
    # Queries and keys after the norm have this gain: scores of about its square.
    (r"[qk]_norm\.weight", 1.4, 0.4),
    (r"norm\.weight", 1.0, 0.35),
    (r"(q|k|q_b)_proj\.weight", 0.0, "1.4/"),
    (r"v_proj\.weight", 0.0, "1.3/"),
    (r"(q_a_proj|kv_a_proj_with_mqa|kv_b_proj)\.weight", 0.0, "1.4/"),
    (r"o_proj\.weight", 0.0, "1.3/"),
    (r"self_attn\..*bias", 0.0, 0.5),
    (r"shared_expert_gate\.weight", 0.0, "1.5/"),
    (r"experts\.gate_up_proj", 0.0, "expert/"),
    (r"experts\.down_proj", 0.0, "2/"),
    (r"experts\..*_bias", 0.0, 0.6),
    (r"mlp\..*(gate|up)_proj\.weight", 0.0, "1.5/"),
    (r"mlp\..*down_proj\.weight", 0.0, "2/"),
    (r"mlp\..*bias", 0.0, 0.4),
]


def spread(name, shape, variant):
    for pattern, mean, deviation in SPREADS:
        if re.search(pattern + "$", name):
            break
    else:
        raise AssertionError(f"no spread for {name}")
    if name == "model.norm.weight" and variant.config["tie_word_embeddings"]:
        mean = 0.4  # the embeddings, of deviation 1, are the head
    if isinstance(deviation, str):
        word = deviation.removesuffix("/")
        scale = {"router": variant.router_spread, "expert": variant.expert_spread}.get(word) or float(word)
        # gpt-oss keeps its experts as [experts, inputs, outputs].
        inputs = shape[-2] if variant.config["model_type"] == "gpt_oss" and "experts" in name else shape[-1]
        deviation = scale * inputs**-0.5
    return mean, deviation


def stored_parameters(model):
    """Parameters and the buffers that a checkpoint holds, by name."""
    tensors = dict(model.named_parameters())
    tensors |= {name: buffer for name, buffer in model.named_buffers() if name in model.state_dict()}
    return dict(sorted(tensors.items()))


def with_random_experts(tensors, generator):
    """The experts' matrices replaced by MXFP4: [experts, outputs, inputs / 32, 16] bytes of two values each, and
    [experts, outputs, inputs / 32] exponents, which give the values a deviation of about 0.1 to 1.5."""
    result = {}
    for name, tensor in tensors.items():
        if not name.endswith(("experts.gate_up_proj", "experts.down_proj")):
            result[name] = tensor
            continue
        experts, inputs, outputs = tensor.shape
        blocks = (experts, outputs, inputs // 32)
        result[name + "_blocks"] = torch.randint(0, 256, (*blocks, 16), generator=generator, dtype=torch.uint8)
        result[name + "_scales"] = torch.randint(122, 127, blocks, generator=generator, dtype=torch.uint8)
    return result


def write(variant, folder):
    """Writes the checkpoint as `save_pretrained` does, and the variant's own config.json."""
    (folder / "config.json").write_text(json.dumps(variant.config, indent=2, sort_keys=True) + "\n")
    config = AutoConfig.from_pretrained(folder)
    dtype = config.dtype
    if variant.mxfp4:
        del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    generator = torch.Generator().manual_seed(variant.seed)
    for name, tensor in stored_parameters(model).items():
        mean, deviation = spread(name, tensor.shape, variant)
        tensor.data = mean + deviation * torch.randn(tensor.shape, generator=generator)
        # As published: the correction of the scores is float32 in a bfloat16 checkpoint.
        if "e_score_correction_bias" not in name:
            tensor.data = tensor.data.to(dtype)
    if variant.mxfp4:
        tensors = with_random_experts(stored_parameters(model), generator)
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        return
    size = sum(tensor.numel() * tensor.element_size() for tensor in stored_parameters(model).values())
    scratch = folder / "scratch"
    model.save_pretrained(
        scratch,
        max_shard_size=int(size / variant.shards * 1.3) if variant.shards > 1 else "1GB",
        save_original_format=not variant.fused,
    )
    files = sorted(scratch.glob("model*"))
    if variant.shards > 1 and len(files) != variant.shards + 1:
        raise AssertionError(f"{variant.shards} shards wanted, got {files}")
    for file in files:
        file.chmod(0o644)
        file.rename(folder / file.name)
    for file in scratch.iterdir():
        file.unlink()
    scratch.rmdir()
