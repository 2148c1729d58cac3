import Diagnostics
import Tensors

/// A text in the making: all keys and values so far.
public struct DecoderSession: GenerationSession {
  /// Tokens that go through the layers together; states of more need not be held.
  private static let batch = 512

  private let model: DecoderModel
  private var caches: [KeyValueCache]
  private var scratch = LayerScratch()
  /// Tokens read so far.
  public private(set) var position = 0

  /// A session of no tokens yet.
  public init(_ model: DecoderModel) {
    self.model = model
    caches = Array(repeating: KeyValueCache(), count: model.layers.count)
  }

  /// Reads more tokens and gives the logits after the last of them.
  public mutating func advance(_ ids: [Int]) throws(InputError) -> [Float] {
    precondition(!ids.isEmpty)
    try requireRoom(for: ids.count)
    var states = Matrix()
    for first in stride(from: 0, to: ids.count, by: Self.batch) {
      states = try read(Array(ids[first..<min(ids.count, first + Self.batch)]))
    }
    let last = states.rows == 1 ? states : states.gathering([states.rows - 1])
    return try model.logits(last).elements
  }

  private func requireRoom(for count: Int) throws(InputError) {
    try model.requireContext(
      for: position + count,
      at: "the sequence",
      remedy: "Shorten the prompt, or read only its end"
    )
  }

  /// Reads more tokens and gives the states after each of them, `[ids, modelSize]`.
  mutating func read(_ ids: [Int]) throws(InputError) -> Matrix {
    try requireRoom(for: ids.count)
    var x = try model.embed(ids)
    let rotations = model.configuration.rotary.rotations(at: position..<position + ids.count)
    for (index, layer) in model.layers.enumerated() {
      try layer.attend(
        &x,
        cache: &caches[index],
        position: position,
        rotations,
        scratch: &scratch
      )
      try layer.feedForward(&x, scratch: &scratch)
    }
    position += ids.count
    return x
  }

  /// Forgets all tokens after the first `position`.
  public mutating func rewind(to position: Int) {
    for index in caches.indices { caches[index].truncate(to: position) }
    self.position = min(self.position, position)
  }
}
