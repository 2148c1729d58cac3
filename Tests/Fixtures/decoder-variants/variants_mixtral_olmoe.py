"""Mixtral and OLMoE."""

from variants import NARROW, NEW, OLD, WIDE, Variant, without

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
        without(WIDE, "head_dim")
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

OLMOE = dict(
    architectures=["OlmoeForCausalLM"],
    model_type="olmoe",
    attention_bias=False,
    attention_dropout=0.0,
    clip_qkv=None,
    initializer_range=0.02,
    intermediate_size=12,
    norm_topk_prob=False,
    num_experts_per_tok=3,
    output_router_logits=False,
    rms_norm_eps=1e-05,
    router_aux_loss_coef=0.01,
    use_cache=True,
)

OLMOE_VARIANTS = [
    Variant(
        "olmoe",
        "norms over all heads of q and of k, as many key/value heads as heads, clip_qkv after the norms;"
        " old spelling; bf16",
        without(WIDE, "head_dim")
        | OLD
        | OLMOE
        | dict(num_attention_heads=6, num_key_value_heads=6, num_experts=7, clip_qkv=1.75),
        seed=1300,
        contrasts=[dict(clip_qkv=None), dict(norm_topk_prob=True)],
    ),
    Variant(
        "olmoe-normalised",
        "norm_topk_prob, fewer key/value heads than heads, attention_bias (q, k, v and o), no clipping;"
        " new spelling; bf16",
        without(NARROW, "head_dim")
        | NEW
        | OLMOE
        | dict(
            num_attention_heads=2,
            num_key_value_heads=1,
            num_experts=5,
            num_experts_per_tok=2,
            norm_topk_prob=True,
            attention_bias=True,
        ),
        seed=1400,
        contrasts=[dict(norm_topk_prob=False), dict(clip_qkv=1.5)],
    ),
]
