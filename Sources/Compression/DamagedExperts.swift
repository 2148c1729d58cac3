import CompressedFolder
import Diagnostics
import Models
import Quantization
import Tensors

/// An expert with a weight that is not finite.
public struct DamagedExpert: Codable, Sendable, Equatable {
  /// Its name in the checkpoint.
  public var name: String
  /// Where the first such weight is.
  public var place: String
  /// What it is.
  public var found: String
}

extension ExpertCompressor {
  /// Of each of `experts`, where it has a weight that is not finite, if it has.
  ///
  /// - Parameter memory: bytes that the checkpoint's pages may take.
  func damage(
    of experts: [FeedForward],
    _ workers: Workers,
    memory: Int
  ) throws(InputError) -> [DamagedExpert?] {
    try workers.map(experts.count) { (index) throws(InputError) -> DamagedExpert? in
      let expert = experts[index]
      defer { MappedFile.releasePages(beyond: memory) }
      for (linear, name) in zip(expert.input + [expert.output], expert.names) {
        do throws(InputError) {
          _ = try finiteWeights(of: linear, name: name)
        } catch {
          return DamagedExpert(name: Self.name(expert), place: error.place, found: error.found)
        }
      }
      return nil
    }
  }

  /// The name of `expert`, up to those of its matrices.
  static func name(_ expert: FeedForward) -> String {
    expert.names[0].split(separator: ".").dropLast(2).joined(separator: ".")
  }

  /// `expert` with zeros for weights, compressed.
  static func silent(_ expert: FeedForward) throws(InputError) -> (
    expert: FeedForward, parts: [Quantized], block: EncodedBlock
  ) {
    let parts = zip(expert.input + [expert.output], expert.names).map { linear, name in
      Quantized(
        name: name,
        matrix: QuantizedMatrix(
          rows: linear.rows,
          columns: linear.columns,
          multiples: Array(repeating: 0, count: linear.rows * linear.columns),
          levels: Array(repeating: 1, count: linear.rows),
          levelCode: LevelCode(covering: [1])
        ),
        relativeOutputError: 0,
        outcome: .gptq
      )
    }
    var matrices: [(name: String, matrix: EncodedMatrix)] = []
    for part in parts { matrices.append((part.name, try EncodedMatrix(part.matrix))) }
    let block = EncodedBlock(matrices)
    return (running(try block.matrices(place: block.summary.name), as: expert), parts, block)
  }
}

extension LanguageModel {
  /// The model with zeros in the place of the weights of the experts that are named in `damaged`.
  func silencing(_ damaged: [DamagedExpert]) throws(InputError) -> any LanguageModel {
    let names = Set(damaged.map(\.name))
    var model: any LanguageModel = self
    guard !names.isEmpty else { return model }
    try model.updateMixtures { (mixture) throws(InputError) in
      for (index, expert) in mixture.experts.enumerated()
      where names.contains(ExpertCompressor.name(expert)) {
        mixture.experts[index] = try ExpertCompressor.silent(expert).expert
      }
      if let shared = mixture.shared?.network, names.contains(ExpertCompressor.name(shared)) {
        mixture.shared?.network = try ExpertCompressor.silent(shared).expert
      }
    }
    return model
  }
}
