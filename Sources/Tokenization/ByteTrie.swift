/// A set of byte strings, each with a number, that finds every member that starts at a place in a
/// text by walking once over the text's bytes.
///
/// Keys are bytes and not `String`: Swift compares strings by canonical equivalence, which would
/// merge different pieces of a vocabulary. The edges of all nodes lie in one open-addressing hash
/// table, so a step costs about one cache line whatever the size of the vocabulary.
struct ByteTrie: Sendable {
  /// The node to start from.
  static let root: Int32 = 0
  private static let none: Int32 = -1

  /// `node << 8 | byte` of the edge in each slot; `UInt64.max` where the slot is free.
  private var edges: [UInt64]
  /// The node that the edge in each slot leads to.
  private var targets: [Int32]
  /// The number of the key that ends at each node, or −1.
  private var values: [Int32] = [none]
  private let mask: Int

  /// A trie of `keys`, each with its index as its number; of equal keys the last one counts.
  /// Missing and empty keys are left out.
  init(_ keys: [[UInt8]?]) {
    let byteCount = keys.reduce(0) { $0 + ($1?.count ?? 0) }
    var slots = 16
    while slots < 2 * byteCount { slots *= 2 }
    edges = [UInt64](repeating: .max, count: slots)
    targets = [Int32](repeating: Self.none, count: slots)
    mask = slots - 1
    for (index, key) in keys.enumerated() {
      guard let key, !key.isEmpty else { continue }
      var node = Self.root
      for byte in key { node = child(of: node, byte) ?? addChild(of: node, byte) }
      values[Int(node)] = Int32(index)
    }
  }

  /// The node that `byte` leads to from `node`; nil if no key goes on that way.
  @inline(__always)
  func child(of node: Int32, _ byte: UInt8) -> Int32? {
    let slot = slot(of: node, byte)
    return targets[slot] == Self.none ? nil : targets[slot]
  }

  /// The number of the key that ends at `node`; nil if none does.
  @inline(__always)
  func value(at node: Int32) -> Int? {
    values[Int(node)] == Self.none ? nil : Int(values[Int(node)])
  }

  /// The slot that holds the edge `byte` of `node`, or the free one where it belongs. The table is
  /// never more than half full, so there is one.
  @inline(__always)
  private func slot(of node: Int32, _ byte: UInt8) -> Int {
    let edge = UInt64(UInt32(bitPattern: node)) << 8 | UInt64(byte)
    // Fibonacci hashing (Knuth, The Art of Computer Programming, volume 3, 6.4).
    var slot = Int(truncatingIfNeeded: (edge &* 0x9e37_79b9_7f4a_7c15) >> 24) & mask
    while edges[slot] != edge && edges[slot] != .max { slot = (slot + 1) & mask }
    return slot
  }

  private mutating func addChild(of node: Int32, _ byte: UInt8) -> Int32 {
    let slot = slot(of: node, byte)
    let added = Int32(values.count)
    edges[slot] = UInt64(UInt32(bitPattern: node)) << 8 | UInt64(byte)
    targets[slot] = added
    values.append(Self.none)
    return added
  }
}
