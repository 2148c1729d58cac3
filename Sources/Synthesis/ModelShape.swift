import Foundation

/// The shapes of a published Mixture-of-Experts model: what its checkpoint holds, without the weights.
public struct ModelShape: Sendable {
  /// A tensor, and how its numbers spread.
  struct Tensor: Sendable {
    var name: String
    var shape: [Int]
    /// Standard deviation of its numbers; `nil` for ones.
    var deviation: Double?
  }

  /// The models whose shapes are known.
  public enum Name: String, Sendable, CaseIterable {
    /// 1.6 trillion parameters (Fedus et al., arXiv:2101.03961): 15 + 15 layers of 2048 experts of 2080 × 6144.
    case switchC2048 = "switch-c-2048"
    /// 12 + 12 layers, every other one of 128 experts of 768 × 3072.
    case switchBase128 = "switch-base-128"
    /// 48 layers of 128 experts of 2048 × 768, 8 for a token.
    case qwen3A3B = "qwen3-30b-a3b"
  }

  /// Which model it is like.
  public let name: Name
  /// Experts of a sparse layer.
  public let experts: Int
  /// Layers of the decoder, and of the encoder where there is one.
  public let layers: Int

  /// The shape of `name`, with another number of experts or layers if they are given.
  public init(_ name: Name, experts: Int?, layers: Int?) {
    self.name = name
    let usual =
      switch name {
      case .switchC2048: (2048, 15)
      case .switchBase128: (128, 12)
      case .qwen3A3B: (128, 48)
      }
    (self.experts, self.layers) = (experts ?? usual.0, layers ?? usual.1)
  }

  /// The vocabulary's size.
  public var vocabulary: Int {
    switch name {
    case .switchC2048, .switchBase128: 32128
    case .qwen3A3B: 151_936
    }
  }

  /// Whether there is an encoder.
  public var hasEncoder: Bool { name != .qwen3A3B }

  /// The `config.json`.
  var configuration: [String: any Sendable] {
    switch name {
    case .switchC2048: switchConfiguration(model: 2080, inner: 6144, heads: 32, step: 1)
    case .switchBase128: switchConfiguration(model: 768, inner: 3072, heads: 12, step: 2)
    case .qwen3A3B:
      [
        "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe",
        "hidden_size": 2048, "intermediate_size": 6144, "moe_intermediate_size": 768,
        "num_hidden_layers": layers, "num_attention_heads": 32, "num_key_value_heads": 4,
        "head_dim": 128, "num_experts": experts, "num_experts_per_tok": min(8, experts),
        "norm_topk_prob": true, "decoder_sparse_step": 1, "mlp_only_layers": [Int](),
        "vocab_size": vocabulary, "max_position_embeddings": 40960, "rms_norm_eps": 1e-6,
        "rope_theta": 1e6, "hidden_act": "silu", "attention_bias": false,
        "tie_word_embeddings": true, "eos_token_id": 151_645,
      ]
    }
  }

  private func switchConfiguration(
    model: Int,
    inner: Int,
    heads: Int,
    step: Int
  ) -> [String: any Sendable] {
    let sparse = layers / step
    return [
      "architectures": ["SwitchTransformersForConditionalGeneration"],
      "model_type": "switch_transformers", "is_encoder_decoder": true,
      "d_model": model, "d_ff": inner, "d_kv": 64, "num_heads": heads,
      "num_layers": layers, "num_decoder_layers": layers, "num_experts": experts,
      "encoder_sparse_step": step, "decoder_sparse_step": step,
      "num_sparse_encoder_layers": sparse, "num_sparse_decoder_layers": sparse,
      "expert_capacity": 64, "router_bias": false, "router_dtype": "float32",
      "router_ignore_padding_tokens": false, "add_router_probs": false,
      "dense_act_fn": "relu", "layer_norm_epsilon": 1e-6,
      "relative_attention_num_buckets": 32, "relative_attention_max_distance": 128,
      "tie_word_embeddings": true, "vocab_size": vocabulary,
      "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0,
    ]
  }

  /// The tensors, by shard: first what is in no layer, then layer by layer.
  var shards: [[Tensor]] {
    switch name {
    case .switchC2048: switchShards(model: 2080, inner: 6144, heads: 32, step: 1)
    case .switchBase128: switchShards(model: 768, inner: 3072, heads: 12, step: 2)
    case .qwen3A3B: qwenShards
    }
  }

  private func switchShards(model: Int, inner: Int, heads: Int, step: Int) -> [[Tensor]] {
    let attention = heads * 64
    var shards = [
      [
        Tensor(name: "shared.weight", shape: [vocabulary, model], deviation: 1),
        Tensor(name: "encoder.final_layer_norm.weight", shape: [model]),
        Tensor(name: "decoder.final_layer_norm.weight", shape: [model]),
      ]
    ]
    for stack in ["encoder", "decoder"] {
      for layer in 0..<layers {
        var tensors: [Tensor] = []
        var part = 0
        func addNorm(_ block: String) {
          tensors.append(Tensor(name: "\(block).layer_norm.weight", shape: [model]))
        }
        for kind in stack == "encoder" ? ["SelfAttention"] : ["SelfAttention", "EncDecAttention"] {
          let block = "\(stack).block.\(layer).layer.\(part)"
          let name = "\(block).\(kind)"
          // Queries carry the scale that T5 does not divide by (Raffel et al., arXiv:1910.10683).
          tensors += [
            Tensor(
              name: "\(name).q.weight",
              shape: [attention, model],
              deviation: 1 / Double(64 * model).squareRoot()
            ),
            Tensor(spreading: "\(name).k.weight", attention, model),
            Tensor(spreading: "\(name).v.weight", attention, model),
            Tensor(spreading: "\(name).o.weight", model, attention),
          ]
          if layer == 0 && part == 0 {
            tensors.append(
              Tensor(
                name: "\(name).relative_attention_bias.weight",
                shape: [32, heads],
                deviation: 0.5
              )
            )
          }
          addNorm(block)
          part += 1
        }
        let block = "\(stack).block.\(layer).layer.\(part)"
        addNorm(block)
        if layer % step == step - 1 {
          tensors.append(Tensor(spreading: "\(block).mlp.router.classifier.weight", experts, model))
          for expert in 0..<experts {
            let name = "\(block).mlp.experts.expert_\(expert)"
            tensors.append(Tensor(spreading: "\(name).wi.weight", inner, model))
            tensors.append(Tensor(spreading: "\(name).wo.weight", model, inner))
          }
        } else {
          tensors.append(Tensor(spreading: "\(block).mlp.wi.weight", inner, model))
          tensors.append(Tensor(spreading: "\(block).mlp.wo.weight", model, inner))
        }
        shards.append(tensors)
      }
    }
    return shards
  }

  private var qwenShards: [[Tensor]] {
    let (model, inner, heads, keys, size) = (2048, 768, 32, 4, 128)
    var shards = [
      [
        Tensor(name: "model.embed_tokens.weight", shape: [vocabulary, model], deviation: 0.02),
        Tensor(name: "model.norm.weight", shape: [model]),
      ]
    ]
    for layer in 0..<layers {
      let name = "model.layers.\(layer)"
      var tensors = [
        Tensor(name: "\(name).input_layernorm.weight", shape: [model]),
        Tensor(name: "\(name).post_attention_layernorm.weight", shape: [model]),
        Tensor(name: "\(name).self_attn.q_norm.weight", shape: [size]),
        Tensor(name: "\(name).self_attn.k_norm.weight", shape: [size]),
        Tensor(spreading: "\(name).self_attn.q_proj.weight", heads * size, model),
        Tensor(spreading: "\(name).self_attn.k_proj.weight", keys * size, model),
        Tensor(spreading: "\(name).self_attn.v_proj.weight", keys * size, model),
        Tensor(spreading: "\(name).self_attn.o_proj.weight", model, heads * size),
        Tensor(spreading: "\(name).mlp.gate.weight", experts, model),
      ]
      for expert in 0..<experts {
        let name = "\(name).mlp.experts.\(expert)"
        tensors.append(Tensor(spreading: "\(name).gate_proj.weight", inner, model))
        tensors.append(Tensor(spreading: "\(name).up_proj.weight", inner, model))
        tensors.append(Tensor(spreading: "\(name).down_proj.weight", model, inner))
      }
      shards.append(tensors)
    }
    return shards
  }
}

extension ModelShape.Tensor {
  /// Ones.
  fileprivate init(name: String, shape: [Int]) {
    self.init(name: name, shape: shape, deviation: nil)
  }

  /// A matrix that keeps the size of what it multiplies.
  fileprivate init(spreading name: String, _ rows: Int, _ columns: Int) {
    self.init(
      name: name,
      shape: [rows, columns],
      deviation: 1 / Double(columns).squareRoot()
    )
  }
}
