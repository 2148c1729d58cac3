"""gpt-oss, in bfloat16 or float32 and as it is published, with experts in MXFP4."""

from variants import NARROW, NEW, OLD, WIDE, Variant

GPT_OSS = dict(
    architectures=["GptOssForCausalLM"],
    model_type="gpt_oss",
    attention_bias=True,
    attention_dropout=0.0,
    experts_per_token=2,
    initial_context_length=32,
    initializer_range=0.02,
    intermediate_size=19,
    num_attention_heads=6,
    num_experts_per_tok=2,
    num_key_value_heads=2,
    num_local_experts=5,
    output_router_logits=False,
    rms_norm_eps=1e-05,
    router_aux_loss_coef=0.9,
    sliding_window=6,
    swiglu_limit=7.0,
    use_cache=True,
)


def yarn(**settings):
    return dict(
        rope_type="yarn",
        factor=4.0,
        original_max_position_embeddings=32,
        beta_fast=32.0,
        beta_slow=1.0,
    ) | settings


GPT_OSS_VARIANTS = [
    Variant(
        "gpt-oss",
        "sinks, biases everywhere, window of 6 in every second layer, yarn that does not truncate,"
        " gates and ups beyond swiglu_limit; old spelling; bf16",
        WIDE
        | OLD
        | GPT_OSS
        | dict(
            layer_types=["sliding_attention", "full_attention"],
            rope_theta=500.0,
            rope_scaling=yarn(truncate=False),
        ),
        seed=1901,
        expert_spread=4.5,
        contrasts=[
            dict(swiglu_limit=1000.0),
            dict(sliding_window=7),
            dict(sliding_window=5),
            dict(layer_types=["full_attention", "sliding_attention"]),
            dict(layer_types=["full_attention", "full_attention"]),
            dict(rope_scaling=yarn(truncate=True)),
            dict(rope_scaling=None),
        ],
        # The published keys that mean nothing; layer_types as it is by default.
        without_effect=[
            dict(experts_per_token=None, initial_context_length=None),
            dict(layer_types=None),
            dict(swiglu_limit=None),
        ],
    ),
    Variant(
        "gpt-oss-truncate",
        "three layers, layer_types missing (sliding, full, sliding), yarn that truncates (by default),"
        " swiglu_limit 2.5, tied embeddings, no attention biases; new spelling; f32",
        NARROW
        | NEW
        | GPT_OSS
        | dict(
            dtype="float32",
            num_hidden_layers=3,
            attention_bias=False,
            head_dim=10,
            num_attention_heads=3,
            num_key_value_heads=1,
            intermediate_size=12,
            num_experts_per_tok=3,
            sliding_window=9,
            swiglu_limit=2.5,
            tie_word_embeddings=True,
            rope_parameters=yarn(rope_theta=500.0),
        ),
        seed=2004,
        expert_spread=2.5,
        contrasts=[
            dict(swiglu_limit=None),
            dict(sliding_window=10),
            dict(rope_parameters=yarn(rope_theta=500.0, truncate=False)),
        ],
        without_effect=[dict(rope_parameters=yarn(rope_theta=500.0, truncate=True)), dict(swiglu_alpha=1.702)],
    ),
    Variant(
        "gpt-oss-mxfp4",
        "experts in MXFP4 under the published names (blocks, scales), everything else bf16; golden values on the"
        " weights as the reference dequantizes them, in float32; old spelling",
        WIDE
        | OLD
        | GPT_OSS
        | dict(
            hidden_size=64,
            intermediate_size=32,
            layer_types=["sliding_attention", "full_attention"],
            rope_theta=500.0,
            rope_scaling=yarn(truncate=False),
            quantization_config=dict(
                quant_method="mxfp4",
                modules_to_not_convert=[
                    "model.layers.*.self_attn",
                    "model.layers.*.mlp.router",
                    "model.embed_tokens",
                    "lm_head",
                ],
            ),
        ),
        seed=2100,
        contrasts=[dict(swiglu_limit=1000.0)],
        mxfp4=True,
    ),
]
