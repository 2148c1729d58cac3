"""Qwen3-MoE and Qwen2-MoE."""

from variants import NARROW, NEW, OLD, WIDE, Variant, without

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
        without(NARROW, "head_dim")
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

QWEN2 = without(QWEN3, "attention_bias") | dict(
    architectures=["Qwen2MoeForCausalLM"],
    model_type="qwen2_moe",
    norm_topk_prob=False,
    num_experts=5,
    shared_expert_intermediate_size=17,
)

QWEN2_VARIANTS = [
    Variant(
        "qwen2-moe",
        "shared expert with its gate, biases of q, k and v, the first layer dense, old spelling, no head_dim; bf16",
        without(NARROW, "head_dim")
        | OLD
        | QWEN2
        | dict(
            hidden_size=36,
            num_hidden_layers=3,
            mlp_only_layers=[0],
            num_experts_per_tok=3,
            max_window_layers=1,
            sliding_window=4,
        ),
        seed=802,
        contrasts=[dict(norm_topk_prob=True), dict(use_sliding_window=True)],
        without_effect=[dict(qkv_bias=True, sliding_window=2), dict(num_local_experts=3)],
    ),
    Variant(
        "qwen2-moe-sliding-window",
        "window of 6 in layers 0 and 2 (even and below max_window_layers 3), layers 1 and 3 see all;"
        " no qkv biases, norm_topk_prob true, head_dim 10; new spelling; bf16",
        NARROW
        | NEW
        | QWEN2
        | dict(
            head_dim=10,
            num_attention_heads=3,
            num_key_value_heads=1,
            num_hidden_layers=4,
            qkv_bias=False,
            norm_topk_prob=True,
            use_sliding_window=True,
            sliding_window=6,
            max_window_layers=3,
        ),
        seed=903,
        contrasts=[dict(sliding_window=7), dict(sliding_window=5), dict(max_window_layers=1)],
        without_effect=[
            dict(
                max_window_layers=0,
                layer_types=["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
            )
        ],
    ),
]
