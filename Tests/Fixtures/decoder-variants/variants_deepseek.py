"""DeepSeek-V2 and DeepSeek-V3."""

from variants import NEW, OLD, WIDE, Variant, without

# Keys and values have other widths than the rest: 7 + 8 and 9 per head, from a latent of 11.
MLA = dict(
    num_key_value_heads=3,
    num_hidden_layers=3,
    attention_bias=False,
    attention_dropout=0.0,
    first_k_dense_replace=1,
    initializer_range=0.02,
    intermediate_size=23,
    kv_lora_rank=11,
    moe_intermediate_size=12,
    moe_layer_freq=1,
    pretraining_tp=1,
    qk_nope_head_dim=7,
    qk_rope_head_dim=8,
    rms_norm_eps=1e-06,
    use_cache=True,
    v_head_dim=9,
)

# Even numbers where the reference views pairs as complex numbers.
V2 = MLA | dict(
    kv_lora_rank=14,
    qk_nope_head_dim=6,
    architectures=["DeepseekV2ForCausalLM"],
    model_type="deepseek_v2",
    aux_loss_alpha=0.001,
    norm_topk_prob=False,
    num_experts_per_tok=3,
    scoring_func="softmax",
    seq_aux=True,
)

V3 = MLA | dict(
    architectures=["DeepseekV3ForCausalLM"],
    model_type="deepseek_v3",
    ep_size=1,
    n_group=3,
    n_routed_experts=9,
    n_shared_experts=1,
    norm_topk_prob=True,
    num_experts_per_tok=4,
    num_nextn_predict_layers=1,
    routed_scaling_factor=2.5,
    scoring_func="sigmoid",
    topk_group=2,
    topk_method="noaux_tc",
)


def yarn(key, **settings):
    return {
        key: "yarn",
        "factor": 4.0,
        "original_max_position_embeddings": 32,
        "beta_fast": 8,
        "beta_slow": 1,
    } | settings


DEEPSEEK_VARIANTS = [
    Variant(
        "deepseek-v2-lite",
        "latent attention without q_lora_rank, two shared experts, one dense layer, greedy choice,"
        " yarn with mscale as published; old spelling; bf16",
        without(WIDE, "head_dim")
        | OLD
        | V2
        | dict(
            n_group=1,
            topk_group=1,
            n_routed_experts=7,
            n_shared_experts=2,
            q_lora_rank=None,
            routed_scaling_factor=1.0,
            topk_method="greedy",
            rope_scaling=yarn("type", mscale=0.707, mscale_all_dim=0.707),
        ),
        seed=1505,
        contrasts=[
            dict(rope_scaling=None),
            dict(rope_scaling=yarn("type")),
            dict(routed_scaling_factor=1.5),
        ],
        # Ignored by the reference, but not by the code that was published with the model.
        without_effect=[dict(norm_topk_prob=True), dict(moe_layer_freq=2), dict(scoring_func="sigmoid")],
    ),
    Variant(
        "deepseek-v2",
        "q_lora_rank, group_limited_greedy, routed_scaling_factor, attention_bias, rms_norm_eps that the norms"
        " of the latents do not follow, yarn with mscale unlike mscale_all_dim; new spelling; bf16",
        without(WIDE, "head_dim")
        | NEW
        | V2
        | dict(
            num_hidden_layers=2,
            attention_bias=True,
            n_group=3,
            topk_group=2,
            n_routed_experts=6,
            n_shared_experts=1,
            q_lora_rank=13,
            rms_norm_eps=0.03,
            routed_scaling_factor=2.5,
            topk_method="group_limited_greedy",
            rope_parameters=yarn("rope_type", rope_theta=10000.0, mscale=1.2, mscale_all_dim=0.6),
        ),
        seed=1600,
        contrasts=[
            dict(topk_method="greedy"),
            dict(routed_scaling_factor=1.0),
            dict(rms_norm_eps=1e-6),
            dict(rope_parameters=yarn("rope_type", rope_theta=10000.0, mscale=0.6, mscale_all_dim=0.6)),
        ],
    ),
    Variant(
        "deepseek-v3",
        "as published: sigmoid scores with a correction that only chooses, the best two groups of three,"
        " interleaved rope (by default), yarn with mscale; old spelling; bf16, the correction float32",
        without(WIDE, "head_dim")
        | OLD
        | V3
        | dict(
            num_hidden_layers=2,
            q_lora_rank=13,
            rope_scaling=yarn("type", mscale=1.0, mscale_all_dim=1.0),
        ),
        seed=1701,
        contrasts=[
            dict(topk_group=3),
            dict(n_group=1, topk_group=1),
            dict(norm_topk_prob=False),
            dict(routed_scaling_factor=1.0),
            dict(rope_interleave=False),
            dict(rope_scaling=yarn("type")),
        ],
        without_effect=[dict(rope_interleave=True), dict(moe_layer_freq=2, scoring_func="softmax")],
    ),
    Variant(
        "deepseek-v3-halves",
        "rope_interleave false, no q_lora_rank, norm_topk_prob false, two shared experts, attention_bias,"
        " tied embeddings, no scaling of rope; new spelling; bf16, the correction float32",
        without(WIDE, "head_dim")
        | NEW
        | V3
        | dict(
            num_hidden_layers=2,
            attention_bias=True,
            n_shared_experts=2,
            norm_topk_prob=False,
            q_lora_rank=None,
            rope_interleave=False,
            routed_scaling_factor=0.7,
            tie_word_embeddings=True,
        ),
        seed=1801,
        contrasts=[dict(rope_interleave=True), dict(norm_topk_prob=True), dict(topk_group=3)],
    ),
]
