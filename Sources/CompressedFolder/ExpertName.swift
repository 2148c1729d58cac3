import Foundation

/// Which layer and expert a tensor belongs to, from its name: `….experts.expert_3.wi.weight`, or
/// `….experts.gate_up_proj`, which holds all experts of its layer.
package struct ExpertName: Hashable, Comparable {
  package var layer: String
  package var expert: String

  package init?(ofTensor name: String) {
    guard let marker = name.firstRange(of: ".experts.") else { return nil }
    layer = String(name[..<marker.lowerBound])
    let part = name[marker.upperBound...].prefix { $0 != "." }
    // Biases of fused experts stay in the dense part.
    if part.hasSuffix("_bias") { return nil }
    expert = part.contains(where: \.isNumber) ? String(part) : "all"
  }

  /// The expert's number; `nil` for what holds all of a layer.
  var number: Int? { Int(expert.drop { !$0.isNumber }) }

  package static func < (left: ExpertName, right: ExpertName) -> Bool {
    left.layer == right.layer
      ? precedes(left.expert, right.expert) : precedes(left.layer, right.layer)
  }

  /// The encoder before the decoder, and numbers by their value.
  static func precedes(_ left: String, _ right: String) -> Bool {
    let (isEncoder, otherIsEncoder) = (left.hasPrefix("encoder"), right.hasPrefix("encoder"))
    return isEncoder == otherIsEncoder
      ? left.compare(right, options: .numeric) == .orderedAscending : isEncoder
  }
}
