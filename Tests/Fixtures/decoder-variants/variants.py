"""What the checkpoints of this folder are: config.json of each, word for word, and what must show in it."""

from dataclasses import dataclass, field


@dataclass
class Variant:
    name: str
    # Why the variant exists; goes into golden.json.
    purpose: str
    # config.json, exactly as it is written.
    config: dict
    seed: int
    # Settings which, put into config.json instead, must change the logits visibly (None: key removed).
    contrasts: list = field(default_factory=list)
    # Settings which, put into config.json instead, must not change anything.
    without_effect: list = field(default_factory=list)
    # Standard deviation of the router's logits, and of the gate and up projections of the experts.
    router_spread: float = 1.5
    expert_spread: float = 1.5
    shards: int = 1
    # Expert tensors as transformers keeps them in memory, one per layer and kind.
    fused: bool = False
    # Experts in MXFP4, as gpt-oss is published.
    mxfp4: bool = False


# Odd on purpose: hidden sizes are no multiple of a SIMD width, heads * head_dim is not the hidden size.
WIDE = dict(
    vocab_size=61,
    hidden_size=36,
    num_hidden_layers=2,
    num_attention_heads=3,
    num_key_value_heads=1,
    head_dim=10,
    hidden_act="silu",
    max_position_embeddings=128,
    bos_token_id=None,
    eos_token_id=60,
    pad_token_id=None,
    tie_word_embeddings=False,
)
NARROW = WIDE | dict(
    vocab_size=83, hidden_size=20, num_attention_heads=6, num_key_value_heads=2, head_dim=6, eos_token_id=82
)

# Both spellings of the same thing, as transformers 4 and 5 write it.
OLD = dict(rope_theta=10000.0, rope_scaling=None, torch_dtype="bfloat16", transformers_version="4.51.0")
NEW = dict(
    rope_parameters=dict(rope_type="default", rope_theta=10000.0),
    dtype="bfloat16",
    transformers_version="5.24.0",
)


def without(config, *keys):
    return {key: value for key, value in config.items() if key not in keys}
