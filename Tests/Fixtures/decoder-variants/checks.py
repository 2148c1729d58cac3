"""Proofs that a checkpoint is worth testing against; each raises AssertionError where it is not."""

import json
import tempfile
from pathlib import Path

import torch

from reference import generate, read, run
from weights import stored_parameters

# Names of the number of experts: transformers takes either.
EXPERT_COUNTS = dict(
    qwen3_moe=("num_experts", "num_local_experts"),
    mixtral=("num_local_experts", "num_experts"),
    olmoe=("num_experts", "num_local_experts"),
    deepseek_v2=("n_routed_experts", "num_experts"),
    deepseek_v3=("n_routed_experts", "num_local_experts"),
    gpt_oss=("num_local_experts", "num_experts"),
)


def require(condition, text):
    if not condition:
        raise AssertionError(text)


def change(results, runs):
    """The largest change of a logit, as a share of the largest logit."""
    largest = max(run.logits.abs().max().item() for run in runs)
    pairs = zip(results, runs, strict=True)
    return max((result.logits - run.logits).abs().max().item() for result, run in pairs) / largest


def parts(name, tensor, config):
    """Views of the pieces of a tensor that must matter on their own: every expert's matrices and biases."""
    if "experts.gate_up_proj" in name:
        for expert in range(tensor.shape[0]):
            if config.model_type == "gpt_oss":  # columns of gate and up alternate
                yield f"{name}[{expert}] gate", tensor[expert, ..., 0::2]
                yield f"{name}[{expert}] up", tensor[expert, ..., 1::2]
            else:
                half = tensor.shape[1] // 2
                yield f"{name}[{expert}] gate", tensor[expert, :half]
                yield f"{name}[{expert}] up", tensor[expert, half:]
    elif "experts.down_proj" in name or name.endswith("sinks"):
        for index in range(tensor.shape[0]):
            yield f"{name}[{index}]", tensor[index]
    else:
        yield name, tensor


@torch.no_grad()
def every_tensor_matters(model, cases, runs):
    """Zeroes every tensor (norms: sets it to one) and looks for a change of the logits."""
    quiet = []
    for name, tensor in stored_parameters(model).items():
        for label, part in parts(name, tensor.data, model.config):
            saved = part.clone()
            part.fill_(1.0 if name.endswith("norm.weight") else 0.0)
            seen = change([run(model, case) for case in cases], runs)
            part.copy_(saved)
            if seen < 1e-3:
                quiet.append((label, seen))
    require(not quiet, f"without visible effect: {quiet}")


def routers_are_spread(model, runs):
    for index in runs[0].routing:
        used = {expert for result in runs for row in result.routing[index].tolist() for expert in row}
        count = runs[0].router_logits[index].shape[-1]
        require(used == set(range(count)), f"layer {index} uses only the experts {sorted(used)}")


@torch.no_grad()
def attention_is_peaked(model, cases):
    """The largest weights of the attention are neither those of a flat softmax nor all near one."""
    ids = torch.tensor([max(cases, key=len)])
    weights = model(input_ids=ids, use_cache=False, output_attentions=True).attentions
    for index, layer in enumerate(weights):
        # Rows with at least five visible keys; sinks and windows included.
        largest = layer[0, :, 5:].max(-1).values.mean().item()
        require(0.2 < largest < 0.9, f"layer {index}: mean largest attention weight {largest}")


def rounding_does_not_matter(folder, cases, runs, seed):
    """Noise of 1e-6 on the embeddings leaves the routing as it is and hardly moves the logits."""
    generator = torch.Generator().manual_seed(seed)
    largest = 0.0
    for _ in range(4):
        model = read(folder)
        with torch.no_grad():
            table = model.model.embed_tokens.weight
            table.mul_(1 + 1e-6 * torch.randn(table.shape, generator=generator))
        results = [run(model, case) for case in cases]
        for result, original in zip(results, runs, strict=True):
            for index, chosen in original.routing.items():
                require(torch.equal(result.routing[index], chosen), "noise changes the routing")
        largest = max(largest, change(results, runs))
    require(largest < 2e-5, f"noise matters: {largest}")
    return largest


def with_settings(folder, config, cases):
    """Runs of the stored weights under another config.json."""
    with tempfile.TemporaryDirectory() as scratch:
        for file in Path(folder).iterdir():
            if file.name != "config.json":
                (Path(scratch) / file.name).symlink_to(file)
        (Path(scratch) / "config.json").write_text(json.dumps(config))
        model = read(scratch)
        return [run(model, case) for case in cases]


def edited(config, edit):
    """`edit` in the place of its keys; the value None takes a key away."""
    return {key: value for key, value in {**config, **edit}.items() if edit.get(key, 0) is not None}


def spelled_otherwise(config):
    """The same configuration in the spelling of transformers 4 for that of 5, and the other way round."""
    config = dict(config)
    if "dtype" in config:
        config["torch_dtype"] = config.pop("dtype")
        rope = dict(config.pop("rope_parameters"))
        config["rope_theta"] = rope.pop("rope_theta")
        kind = rope.pop("rope_type")
        config["rope_scaling"] = None if kind == "default" else {"type": kind, **rope}
    else:
        config["dtype"] = config.pop("torch_dtype")
        rope = dict(config.pop("rope_scaling") or {"rope_type": "default"})
        rope["rope_type"] = rope.pop("type", None) or rope["rope_type"]
        config["rope_parameters"] = {**rope, "rope_theta": config.pop("rope_theta")}
    names = EXPERT_COUNTS.get(config["model_type"], ())
    for name, other in (names, reversed(names)) if names else ():
        if name in config:
            config[other] = config.pop(name)
            break
    return config


def settings_show(variant, folder, cases, runs):
    other = with_settings(folder, spelled_otherwise(variant.config), cases)
    require(change(other, runs) == 0, "the other spelling of config.json gives other logits")
    for edit in variant.without_effect:
        seen = change(with_settings(folder, edited(variant.config, edit), cases), runs)
        require(seen == 0, f"{edit} has an effect: {seen}")
    for edit in variant.contrasts:
        seen = change(with_settings(folder, edited(variant.config, edit), cases), runs)
        require(seen > 3e-3, f"{edit} has no visible effect: {seen}")


def generation_is_clear(model, prompt, generated, margin):
    require(margin > 2e-3, f"close call in the greedy generation: {margin}")
    new = generated[len(prompt) :]
    require(len(set(new)) >= 6, f"monotonous generation: {generated}")
    require(model.config.eos_token_id not in new, f"generation ends early: {generated}")
    require(generate(model, prompt, use_cache=False)[0] == generated, "the cache changes the generation")
