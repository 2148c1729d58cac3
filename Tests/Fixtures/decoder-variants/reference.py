"""The real transformers models, run in float32 on a stored checkpoint, and what is noted of a run."""

from contextlib import contextmanager
from types import SimpleNamespace

import torch
from transformers import AutoModelForCausalLM

NEW_TOKENS = 12


def read(folder):
    """The stored checkpoint as transformers loads it; config.json alone says what it is."""
    model, report = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=torch.float32,
        attn_implementation="eager",
        experts_implementation="eager",
        output_loading_info=True,
    )
    problems = {key: value for key, value in report.items() if value}
    if problems:
        raise AssertionError(f"{folder}: {problems}")
    for name, parameter in model.named_parameters():
        if parameter.dtype != torch.float32:
            raise AssertionError(f"{name} is {parameter.dtype}")
    return model.eval()


@contextmanager
def watching(model):
    """Notes the output of every layer, the choices of every router, and what the experts' clamps see."""
    log = SimpleNamespace(hidden=[], routing={}, router_logits={})
    handles = []
    for index, layer in enumerate(model.model.layers):
        handles.append(layer.register_forward_hook(lambda _, __, output: log.hidden.append(output[0])))
        router = getattr(layer.mlp, "gate", None) or getattr(layer.mlp, "router", None)
        if router is not None:

            def note(_, __, output, index=index):
                log.router_logits[index] = output[0]
                log.routing[index] = output[2].sort(-1).values

            handles.append(router.register_forward_hook(note))
    try:
        yield log
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def run(model, input_ids):
    """One sequence: logits and hidden states of all positions, mean loss of tokens 1 and on, routing."""
    ids = torch.tensor([input_ids])
    with watching(model) as log:
        # The loss is computed here: with `labels` the models would add the routers' auxiliary loss to it.
        logits = model(input_ids=ids, use_cache=False).logits[0]
    loss = None
    if len(input_ids) > 1:
        loss = torch.nn.functional.cross_entropy(logits[:-1], ids[0, 1:]).item()
    return SimpleNamespace(
        logits=logits, hidden=log.hidden, loss=loss, routing=log.routing, router_logits=log.router_logits
    )


@torch.no_grad()
def generate(model, prompt_ids, use_cache=True):
    """Greedy generation (prompt included), and the smallest gap between the two best logits along it."""
    ids = torch.tensor([prompt_ids])
    output = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        num_beams=1,
        max_new_tokens=NEW_TOKENS,
        use_cache=use_cache,
        return_dict_in_generate=True,
        output_logits=True,
    )
    best = torch.stack([step[0].topk(2).values for step in output.logits])
    return output.sequences[0].tolist(), (best[:, 0] - best[:, 1]).min().item()
