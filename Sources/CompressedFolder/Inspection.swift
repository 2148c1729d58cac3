import Diagnostics
import Foundation
import Quantization
import Tensors

/// What is inside a model's folder, and how large it is.
public struct Inspection: Codable, Sendable {
  /// One expert of one layer, its matrices together.
  public struct Expert: Codable, Sendable {
    /// Its name in the layer.
    public var name: String
    /// Weights of its matrices.
    public var weights = 0
    /// Stored bits per weight: codes, offsets and levels as they lie in the file, padding included.
    public var bitsPerWeight = 0.0
    /// Order-0 entropy of the symbols in bits per weight, matrix by matrix; absent if not compressed.
    public var entropy: Double?
    /// Share of weights that are 0.
    public var zeros = 0.0
    /// Mean over rows or groups of the low and the high level, matrix by matrix.
    public var levels: [[Double]] = []
    /// Layout of each matrix in words; for one that is not compressed, its element type and shape.
    public var layouts: [String: String] = [:]

    enum CodingKeys: String, CodingKey {
      case name, weights, entropy, zeros, levels, layouts
      case bitsPerWeight = "bits_per_weight"
    }
  }

  /// The experts of one layer.
  public struct Layer: Codable, Sendable {
    /// Its name in the checkpoint.
    public var name: String
    /// Stored bits per weight of its experts.
    public var bitsPerWeight: Double
    /// Share of weights that are 0.
    public var zeros: Double
    /// Its experts in order.
    public var experts: [Expert]

    enum CodingKeys: String, CodingKey {
      case name, zeros, experts
      case bitsPerWeight = "bits_per_weight"
    }
  }

  /// Bytes of the tensors' files.
  public var bytes = 0
  /// Bytes of tensors outside of the experts.
  public var denseBytes = 0
  /// Weights outside of the experts.
  public var denseWeights = 0
  /// Bytes of the experts' tensors.
  public var expertBytes = 0
  /// Weights of all experts.
  public var expertWeights = 0
  /// Stored bits per weight of all experts; 0 where there are none.
  public var expertBitsPerWeight = 0.0
  /// How the model was compressed, if it was.
  public var quantization: QuantizationConfig?
  /// The layers with experts.
  public var layers: [Layer] = []

  enum CodingKeys: String, CodingKey {
    case bytes, layers, quantization
    case denseBytes = "dense_bytes"
    case denseWeights = "dense_weights"
    case expertBytes = "expert_bytes"
    case expertWeights = "expert_weights"
    case expertBitsPerWeight = "expert_bits_per_weight"
  }

  /// Looks into `checkpoint`, decoding all experts.
  ///
  /// - Throws: `InputError` if a compressed matrix is damaged.
  public init(
    _ checkpoint: Checkpoint,
    quantization: QuantizationConfig?,
    workers: Workers,
    progress: @escaping ProgressReport.Handler
  ) throws(InputError) {
    self.quantization = quantization
    bytes = checkpoint.fileByteCount
    var tensors: [ExpertName: [TensorView]] = [:]
    for name in checkpoint.names {
      let tensor = try checkpoint.tensor(name)
      if let expert = ExpertName(ofTensor: name) {
        tensors[expert, default: []].append(tensor)
        expertBytes += tensor.bytes.count
      } else {
        denseBytes += tensor.bytes.count
        denseWeights += try Self.weightCount(tensor, in: checkpoint)
      }
    }
    let names = tensors.keys.sorted()
    let (tensorsOfExpert, done) = (tensors, Counter())
    let experts = try workers.map(names.count) { (index) throws(InputError) -> Expert in
      let tensors = tensorsOfExpert[names[index]] ?? []
      let expert = try Expert(names[index].expert, tensors, in: checkpoint)
      done.add { progress(ProgressReport("decoding", $0, of: names.count, "experts")) }
      return expert
    }
    for layer in Set(names.map(\.layer)).sorted(by: ExpertName.precedes) {
      let members = names.indices.filter { names[$0].layer == layer }.map { experts[$0] }
      let weights = members.reduce(0) { $0 + $1.weights }
      expertWeights += weights
      layers.append(
        Layer(
          name: layer,
          bitsPerWeight: members.weightedMean(\.bitsPerWeight),
          zeros: members.weightedMean(\.zeros),
          experts: members
        )
      )
    }
    if expertWeights > 0 {
      expertBitsPerWeight = 8 * Double(expertBytes) / Double(expertWeights)
    }
  }
}

extension Inspection {
  /// How many weights a tensor outside of the experts holds.
  private static func weightCount(
    _ tensor: TensorView,
    in checkpoint: Checkpoint
  ) throws(InputError) -> Int {
    guard MatrixBlock.isBlock(tensor) else { return tensor.count }
    let readable = checkpoint.readableByteCount(from: tensor.name)
    return try MatrixBlock(tensor, readableByteCount: readable).directory.entries.reduce(0) {
      $0 + $1.layout.rows * $1.layout.columns
    }
  }
}

extension Inspection.Expert {
  init(
    _ name: String,
    _ tensors: [TensorView],
    in checkpoint: Checkpoint
  ) throws(InputError) {
    self.name = name
    var (zeroCount, entropyBits) = (0, 0.0)
    let bytes = tensors.reduce(0) { $0 + $1.bytes.count }
    for tensor in tensors {
      if MatrixBlock.isBlock(tensor) {
        let readable = checkpoint.readableByteCount(from: tensor.name)
        let block = try MatrixBlock(tensor, readableByteCount: readable)
        for index in block.directory.entries.indices {
          let matrix = try block.matrix(at: index)
          let counts = try matrix.symbolCounts()
          let size = matrix.layout.rows * matrix.layout.columns
          weights += size
          entropyBits += Tensors.entropy(ofCounts: counts) * Double(size)
          zeroCount += try matrix.zeroCount(counts)
          levels.append(matrix.meanLevels)
          layouts[block.name(at: index)] = matrix.layout.text
        }
      } else {
        let (count, zeros) = try tensor.countWeights()
        weights += count
        zeroCount += zeros
        layouts[tensor.name] = "\(tensor.elementType.rawValue) \(tensor.shape)"
      }
    }
    if !levels.isEmpty { entropy = entropyBits / Double(max(1, weights)) }
    bitsPerWeight = 8 * Double(bytes) / Double(max(1, weights))
    zeros = Double(zeroCount) / Double(max(1, weights))
  }
}

extension TensorView {
  /// How many weights the tensor holds, and how many of them are 0; none for scales of small floats.
  fileprivate func countWeights() throws(InputError) -> (all: Int, zeros: Int) {
    switch elementType {
    case .f8e4m3: return (count, bytes.buffer.count { $0 & 0x7f == 0 })
    case .u8 where name.hasSuffix("_blocks"):
      // Two 4-bit floats a byte, each with its sign in the highest bit.
      let zeros = bytes.buffer.reduce(0) {
        $0 + ($1 & 0x07 == 0 ? 1 : 0) + ($1 & 0x70 == 0 ? 1 : 0)
      }
      return (2 * count, zeros)
    default:
      guard isFloatingPoint, !name.hasSuffix("_scale_inv") else { return (0, 0) }
      return (count, try floats().count { $0 == 0 })
    }
  }
}

extension [Inspection.Expert] {
  /// The mean of a figure per weight.
  fileprivate func weightedMean(_ value: KeyPath<Inspection.Expert, Double>) -> Double {
    let weights = reduce(0) { $0 + $1.weights }
    return reduce(0) { $0 + $1[keyPath: value] * Double($1.weights) }
      / Double(Swift.max(1, weights))
  }
}
