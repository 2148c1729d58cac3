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
    rope_parameters=dict(rope_type="default", rope_theta=10000.0), dtype="bfloat16", transformers_version="5.24.0"
)

QWEN3 = dict(
    architectures=["Qwen3MoeForCausalLM"],
    model_type="qwen3_moe",
    attention_bias=False,
    attention_dropout=0.0,
    decoder_sparse_step=1,
    initializer_range=0.02,
    intermediate_size=23,
    mlp_only_layers=[],
    moe_intermediate_size=12,
    norm_topk_prob=True,
    num_experts_per_tok=2,
    output_router_logits=False,
    rms_norm_eps=1e-06,
    router_aux_loss_coef=0.001,
    sliding_window=None,
    use_cache=True,
    use_sliding_window=False,
)

QWEN3_VARIANTS = [
    Variant(
        "qwen3-moe",
        "Qwen3-MoE as it is published, new spelling (num_local_experts, rope_parameters, dtype); bf16",
        WIDE | NEW | QWEN3 | dict(num_local_experts=7, num_experts_per_tok=3),
        seed=100,
        contrasts=[dict(norm_topk_prob=False), dict(rms_norm_eps=0.1), dict(num_experts_per_tok=2)],
        without_effect=[dict(intermediate_size=5, sliding_window=3, max_window_layers=0, bos_token_id=3)],
    ),
    Variant(
        "qwen3-moe-dense-layers",
        "four layers, of which mlp_only_layers and decoder_sparse_step make three dense; old spelling"
        " (num_experts, rope_theta, rope_scaling, torch_dtype); bf16",
        NARROW
        | OLD
        | QWEN3
        | dict(num_experts=5, num_hidden_layers=4, mlp_only_layers=[1], decoder_sparse_step=2, rope_theta=500.0),
        seed=210,
        contrasts=[dict(rope_theta=10000.0)],
    ),
    Variant(
        "qwen3-moe-biases",
        "attention_bias (q, k, v and o), norm_topk_prob false, tied embeddings, head_dim missing; f32",
        {key: value for key, value in NARROW.items() if key != "head_dim"}
        | NEW
        | QWEN3
        | dict(
            num_local_experts=5,
            hidden_size=24,
            num_attention_heads=4,
            attention_bias=True,
            norm_topk_prob=False,
            tie_word_embeddings=True,
            dtype="float32",
        ),
        seed=308,
        contrasts=[dict(norm_topk_prob=True)],
    ),
    Variant(
        "qwen3-moe-yarn",
        "old spelling of yarn (rope_scaling with type), attention factor from the factor; bf16",
        WIDE
        | OLD
        | QWEN3
        | dict(
            num_experts=5,
            rope_theta=1000.0,
            rope_scaling=dict(type="yarn", factor=4.0, original_max_position_embeddings=32),
        ),
        seed=400,
        contrasts=[
            dict(rope_scaling=None),
            dict(rope_scaling=dict(type="yarn", factor=4.0, original_max_position_embeddings=128)),
            dict(
                rope_scaling=dict(
                    type="yarn", factor=4.0, original_max_position_embeddings=32, attention_factor=1.0
                )
            ),
        ],
    ),
    Variant(
        "qwen3-moe-fused",
        "experts of a layer in one tensor (mlp.experts.gate_up_proj, mlp.experts.down_proj); bf16",
        WIDE | NEW | QWEN3 | dict(num_local_experts=5, moe_intermediate_size=19),
        seed=502,
        fused=True,
    ),
    Variant(
        "qwen3-moe-sliding-window",
        "use_sliding_window: every layer sees 5 tokens back, the token itself included; bf16",
        NARROW | NEW | QWEN3 | dict(num_local_experts=5, use_sliding_window=True, sliding_window=5),
        seed=600,
        contrasts=[dict(sliding_window=6), dict(sliding_window=4), dict(use_sliding_window=False)],
        without_effect=[dict(max_window_layers=2)],
    ),
    Variant(
        "qwen3-moe-sharded",
        "three shards with an index; bf16",
        NARROW | OLD | QWEN3 | dict(num_experts=7),
        seed=700,
        shards=3,
    ),
]

MIXTRAL = dict(
    architectures=["MixtralForCausalLM"],
    model_type="mixtral",
    attention_dropout=0.0,
    initializer_range=0.02,
    intermediate_size=19,
    num_experts_per_tok=2,
    num_local_experts=5,
    output_router_logits=False,
    rms_norm_eps=1e-05,
    router_aux_loss_coef=0.02,
    router_jitter_noise=0.0,
    sliding_window=None,
    use_cache=True,
)

MIXTRAL_VARIANTS = [
    Variant(
        "mixtral",
        "Mixtral as it is published (block_sparse_moe, w1, w2, w3), old spelling, no head_dim; bf16",
        {key: value for key, value in WIDE.items() if key != "head_dim"}
        | OLD
        | MIXTRAL
        | dict(num_attention_heads=6, num_key_value_heads=3, rope_theta=1000000.0),
        seed=1000,
        contrasts=[dict(rope_theta=10000.0), dict(num_experts_per_tok=3)],
        without_effect=[dict(rope_theta=None), dict(router_jitter_noise=0.5)],
    ),
    Variant(
        "mixtral-sliding-window",
        "sliding_window 7 in every layer, linear scaling of rope, new spelling; bf16",
        NARROW
        | NEW
        | MIXTRAL
        | dict(
            sliding_window=7,
            num_local_experts=7,
            num_experts_per_tok=3,
            rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=2.5),
        ),
        seed=1100,
        contrasts=[
            dict(sliding_window=8),
            dict(sliding_window=6),
            dict(rope_parameters=dict(rope_type="default", rope_theta=10000.0)),
        ],
    ),
    Variant(
        "mixtral-llama3-rope",
        "llama3 scaling of rope with frequencies in all three ranges, old spelling (rope_type), fused experts; f32",
        NARROW
        | OLD
        | MIXTRAL
        | dict(
            head_dim=10,
            num_attention_heads=2,
            num_key_value_heads=1,
            intermediate_size=12,
            torch_dtype="float32",
            rope_theta=500.0,
            rope_scaling=dict(
                rope_type="llama3",
                factor=8.0,
                low_freq_factor=1.0,
                high_freq_factor=4.0,
                original_max_position_embeddings=64,
            ),
        ),
        seed=1202,
        fused=True,
        contrasts=[
            dict(rope_scaling=None),
            dict(rope_scaling=dict(rope_type="linear", factor=8.0)),
            dict(
                rope_scaling=dict(
                    rope_type="llama3",
                    factor=8.0,
                    low_freq_factor=3.9,
                    high_freq_factor=4.0,
                    original_max_position_embeddings=64,
                )
            ),
        ],
    ),
]

VARIANTS = [*QWEN3_VARIANTS, *MIXTRAL_VARIANTS]
