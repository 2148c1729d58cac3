import Foundation

/// How often experts were used lately, and how long each is expected to stay unused.
///
/// A pass is one run through a layer, with however many tokens. An expert that is used in a share `p` of
/// the passes is needed again after `1 / p` of them; of two with the same share the one whose layer comes
/// first. With few tokens at a time the shares decide, with many, which need nearly all experts, the
/// layers do. docs/scale.md compares this with other rules.
struct ExpertUsage: Sendable {
  /// After so many passes a use counts half.
  static let halfLife: Float = 128

  private static let decay: Float = exp2(-1 / halfLife)

  private var layerOfExpert: [Int] = []
  private var layers: [(experts: Range<Int>, passes: Float)] = []
  /// Of each expert, the passes that used it, and of each layer all passes, both with their decay.
  private var uses: [Float] = []

  /// Adds a layer of `count` experts, whose numbers follow those of the layers before.
  mutating func addLayer(_ count: Int) {
    let experts = uses.count..<uses.count + count
    layerOfExpert += Array(repeating: layers.count, count: count)
    uses += Array(repeating: 0, count: count)
    layers.append((experts, 0))
  }

  /// Takes down a pass through the layer of these `experts`.
  mutating func note(_ experts: [Int]) {
    guard let layer = experts.first.map({ layerOfExpert[$0] }) else { return }
    layers[layer].passes = layers[layer].passes * Self.decay + 1
    for expert in layers[layer].experts { uses[expert] *= Self.decay }
    for expert in experts { uses[expert] += 1 }
  }

  /// In how many passes `expert` is expected to be used again, seen from the layer of the expert `other`.
  func wait(for expert: Int, from other: Int) -> Float {
    let (layer, current) = (layerOfExpert[expert], layerOfExpert[other])
    let distance = layer > current ? layer - current : layer - current + layers.count
    return layers[layer].passes / max(uses[expert], .leastNormalMagnitude)
      + Float(distance) / Float(layers.count)
  }
}
