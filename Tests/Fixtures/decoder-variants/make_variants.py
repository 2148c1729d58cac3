#!/usr/bin/env python3
"""Make the small decoder-only checkpoints of this folder and their golden values.

    python3 -m venv venv && venv/bin/pip install torch transformers==5.24.0 safetensors accelerate
    OMP_NUM_THREADS=1 venv/bin/python make_variants.py [VARIANT ...]

Every variant exercises settings of config.json (variants*.py: the files are written word for
word as they stand there, some in the spelling of transformers 4, some in that of 5). Its weights are random,
drawn from one seed per variant (weights.py), rounded to the stored element type, written under the published
names by `save_pretrained`, read back by `from_pretrained`, and run in float32 by the real model of transformers
with eager attention and eager experts (reference.py). Nothing here computes a forward pass by itself.

golden.json of a variant, floats with nine significant digits (which name a float32 exactly):
  cases: `input_ids` (1, 7 and 40 of them); `loss`, mean over tokens 1 and on, null for a single token;
    `logits_first_position`, `logits_last_position`; `argmax_per_position`;
    `hidden_after_each_layer_last_position`, layers × hidden size, before the last norm;
    `routing`: for each sparse layer, by its number, the chosen experts of every position in ascending order;
  `prompt_ids`, `greedy_generation` (prompt included; twelve new tokens) and `greedy_margin`, the smallest gap
    between the two best logits along it.

Before a variant is written, checks.py proves that it is worth testing against: zeroing any tensor or any
expert's matrix changes the logits visibly, every expert is used, attention is peaked but not saturated,
rounding noise changes no routing and no choice, the settings that the variant is about show in the logits
(and those that the reference ignores do not), and both spellings of config.json give the same logits.
Run without arguments, the whole folder is made again; the bytes are the same on the same versions and CPU.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import torch
import transformers

import checks
from reference import generate, read, run
from variants_deepseek import DEEPSEEK_VARIANTS
from variants_gpt_oss import GPT_OSS_VARIANTS
from variants_mixtral_olmoe import MIXTRAL_VARIANTS, OLMOE_VARIANTS
from variants_qwen import QWEN2_VARIANTS, QWEN3_VARIANTS
from weights import write

FOLDER = Path(__file__).resolve().parent
LENGTHS = (1, 7, 40)
PROMPT = 9
VARIANTS = [
    *QWEN3_VARIANTS,
    *QWEN2_VARIANTS,
    *MIXTRAL_VARIANTS,
    *OLMOE_VARIANTS,
    *DEEPSEEK_VARIANTS,
    *GPT_OSS_VARIANTS,
]


def numbers(tensor):
    if tensor.dim() > 1:
        return [numbers(row) for row in tensor]
    return [float(f"{value:.9g}") for value in tensor.tolist()]


def golden_case(input_ids, result):
    return {
        "input_ids": input_ids,
        "loss": None if result.loss is None else float(f"{result.loss:.9g}"),
        "logits_first_position": numbers(result.logits[0]),
        "logits_last_position": numbers(result.logits[-1]),
        "argmax_per_position": result.logits.argmax(-1).tolist(),
        "hidden_after_each_layer_last_position": [numbers(hidden[-1]) for hidden in result.hidden],
        "routing": {str(layer): experts.tolist() for layer, experts in result.routing.items()},
    }


def make(variant, folder):
    """Writes and checks one variant in `folder`; raises AssertionError if it is not worth testing against."""
    write(variant, folder)
    model = read(folder)
    generator = torch.Generator().manual_seed(variant.seed * 7919)
    *cases, prompt = [
        torch.randint(0, model.config.vocab_size, (length,), generator=generator).tolist()
        for length in (*LENGTHS, PROMPT)
    ]
    runs = [run(model, case) for case in cases]
    checks.routers_are_spread(model, runs)
    gap = min(result.logits.topk(2).values.diff().abs().min().item() for result in runs)
    checks.require(gap > 2e-3, f"close call in an argmax: {gap}")
    generated, margin = generate(model, prompt)
    checks.generation_is_clear(model, prompt, generated, margin)
    checks.attention_is_peaked(model, cases)
    noise = checks.rounding_does_not_matter(folder, cases, runs, variant.seed)
    checks.settings_show(variant, folder, cases, runs)
    checks.every_tensor_matters(model, cases, runs)
    golden = {
        "purpose": variant.purpose,
        "made_with": f"transformers {transformers.__version__}, torch {torch.__version__.split('+')[0]}",
        "dtype": "float32 arithmetic on the stored weights",
        "change_by_noise_of_1e-6": float(f"{noise:.2g}"),
        "cases": [golden_case(case, result) for case, result in zip(cases, runs, strict=True)],
        "prompt_ids": prompt,
        "greedy_generation": generated,
        "greedy_margin": float(f"{margin:.3g}"),
    }
    (folder / "golden.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


def search(variant, tries=300):
    """Prints the first seed, from the variant's on, that passes all checks (used to choose the seeds)."""
    reasons = {}
    for seed in range(variant.seed, variant.seed + tries):
        variant.seed = seed
        with tempfile.TemporaryDirectory() as folder:
            try:
                make(variant, Path(folder))
                print(f"{variant.name}: seed {seed}; before: {reasons}", flush=True)
                return
            except AssertionError as problem:
                reason = str(problem)[:160]
                reasons[reason.split(":")[0]] = reason
    print(f"{variant.name}: no seed found, {reasons}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("variants", nargs="*", metavar="VARIANT", help="default: all")
    parser.add_argument("--search", action="store_true", help="look for seeds that pass; write nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    unknown = set(arguments.variants) - {variant.name for variant in VARIANTS}
    if unknown:
        sys.exit(f"unknown variants: {sorted(unknown)}; known: {[variant.name for variant in VARIANTS]}")
    for variant in VARIANTS:
        if arguments.variants and variant.name not in arguments.variants:
            continue
        if arguments.search:
            search(variant)
            continue
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / variant.name
            folder.mkdir()
            make(variant, folder)
            shutil.rmtree(FOLDER / variant.name, ignore_errors=True)
            shutil.copytree(folder, FOLDER / variant.name)
        files = list((FOLDER / variant.name).iterdir())
        print(f"{variant.name}: {len(files)} files, {sum(file.stat().st_size for file in files)} bytes")


if __name__ == "__main__":
    main()
