#!/usr/bin/env python3
"""Writes golden.json: which tokens Hugging Face transformers would choose among, and how likely.

The processors come from `_get_logits_processor`, so that their order is the reference's own.
Needs torch and transformers (5.24.0 made the committed file).

    python3 make_golden.py
"""

import itertools
import json
import pathlib

import torch
import transformers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

VOCABULARY = 67
OPTIONS = {
    "temperature": [1.0, 0.4, 2.5],
    "top_k": [0, 4, 17, 1000],
    "top_p": [1.0, 0.9, 0.5],
    "min_p": [None, 0.05, 0.3],
    "repetition_penalty": [1.0, 1.7, 0.5],
}


def logits():
    """Three distributions: sharp, flat, and one with many equal logits."""
    generator = torch.Generator().manual_seed(17)
    sharp = 3 * torch.randn(VOCABULARY, generator=generator)
    flat = 0.5 * torch.randn(VOCABULARY, generator=generator)
    equal = torch.randint(-3, 4, (VOCABULARY,), generator=generator).float()
    return [sharp, flat, equal]


def case(model, index, scores, seen, options):
    config = GenerationConfig(do_sample=True, pad_token_id=0, **options)
    processors = model._get_logits_processor(
        generation_config=config,
        input_ids_seq_length=len(seen),
        encoder_input_ids=None,
        prefix_allowed_tokens_fn=None,
        logits_processor=[],
        device="cpu",
    )
    ids = torch.tensor([seen], dtype=torch.long)
    chances = torch.softmax(processors(ids, scores[None].clone()), dim=-1)[0]
    kept = [i for i in range(VOCABULARY) if chances[i] > 0]
    return {
        **options,
        "logits": index,
        "seen": seen,
        "kept": kept,
        "probabilities": [round(float(chances[i]), 7) for i in kept],
    }


def main():
    torch.manual_seed(1)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=8,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=1,
        )
    )
    every = [dict(zip(OPTIONS, v)) for v in itertools.product(*OPTIONS.values())]
    all_logits = logits()
    cases = []
    for index, scores in enumerate(all_logits):
        # Every value of every option appears in changing company.
        for options in every[index :: 13 if index < 2 else 31]:
            # Which of equal tokens top-p keeps is not defined by the reference.
            if index == 2 and options["top_p"] < 1:
                continue
            cases.append(case(model, index, scores, [3, 11, 3, 40, 66], options))
    golden = {
        "transformers": transformers.__version__,
        "logits": [[float(x) for x in scores] for scores in all_logits],
        "cases": cases,
    }
    file = pathlib.Path(__file__).parent / "golden.json"
    text = json.dumps(golden).replace('{"temperature"', '\n{"temperature"')
    file.write_text(text + "\n")
    print(f"{len(cases)} cases, {file.stat().st_size} bytes")


main()
