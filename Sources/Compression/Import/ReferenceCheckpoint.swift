import Diagnostics
import Foundation
import Models
import Quantization
import Tensors

/// A folder that the QMoE authors' code wrote or that they published: `noexp.pt` with all that is in no expert,
/// `exp00.pt`, `exp01.pt`, … with the experts of one sparse layer each, in the order in which the model computes, and
/// `sizes.pt` with the number of words of each expert's matrices.
struct ReferenceCheckpoint: Sendable {
  static let denseFile = "noexp.pt"
  private static let sizesFile = "sizes.pt"

  /// Names of the sparse layers' networks, first to last.
  let layers: [String]
  /// Experts of a sparse layer.
  let experts: Int
  private let folder: URL
  private let modelSize: Int
  private let innerSize: Int
  /// Words of each matrix.
  private let sizes: [String: Int]

  /// The checkpoint in `folder` of the model that `configuration` tells.
  ///
  /// - Throws: `InputError` if there is none, it is incomplete, or it is of another model.
  init(_ folder: URL, _ configuration: SwitchConfiguration) throws(InputError) {
    self.folder = folder
    layers = configuration.sparseLayers
    experts = configuration.experts
    (modelSize, innerSize) = (configuration.modelSize, configuration.feedForwardSize)
    let path = folder.appending(path: Self.sizesFile).path
    sizes = try PyTorchFile(path: path).integers
    guard configuration.activation == .relu else {
      throw InputError(
        .unsupported,
        at: folder.path,
        expected: "a model whose experts have two matrices, dense_act_fn 'relu'",
        found: "'\(configuration.activation.rawValue)'",
        remedy: "The reference implementation knows no others"
      )
    }
    try checkNames(path)
  }

  /// Checks that the sizes are those of the matrices that the configuration tells, and of no others.
  private func checkNames(_ path: String) throws(InputError) {
    func misfit(_ kind: InputError.Kind, _ found: String) -> InputError {
      InputError(
        kind,
        at: path,
        expected: "the \(layers.count) sparse layers of \(experts) experts that config.json tells",
        found: found,
        remedy: "The checkpoint belongs to another config.json"
      )
    }
    var known: Set<String> = []
    for layer in layers {
      for expert in 0..<experts {
        for name in Self.matrices(layer, expert: expert) {
          guard sizes[name] != nil else { throw misfit(.missing, "no '\(name)'") }
          known.insert(name)
        }
      }
    }
    if let other = sizes.keys.filter({ !known.contains($0) }).min() {
      throw misfit(.invalidValue, "'\(other)' as well")
    }
  }

  /// Names of an expert's two matrices.
  private static func matrices(_ layer: String, expert: Int) -> [String] {
    ["wi", "wo"].map { "\(layer).experts.expert_\(expert).\($0)" }
  }

  /// The file of the sparse layer `index`.
  func file(_ index: Int) throws(InputError) -> PyTorchFile {
    let digits = String(index)
    let name = "exp\(String(repeating: "0", count: max(0, 2 - digits.count)))\(digits).pt"
    return try PyTorchFile(path: folder.appending(path: name).path)
  }

  /// The matrices of an expert of the sparse layer `layer`, which `file` holds: the input matrix, then the output
  /// matrix, under their names in a checkpoint that is not compressed.
  ///
  /// - Throws: `InputError` if one is missing or damaged.
  func matrices(
    ofExpert expert: Int,
    layer: Int,
    in file: PyTorchFile
  ) throws(InputError) -> [(name: String, matrix: QuantizedMatrix)] {
    var matrices: [(name: String, matrix: QuantizedMatrix)] = []
    for (index, name) in Self.matrices(layers[layer], expert: expert).enumerated() {
      let matrix = try ReferenceMatrix(
        name,
        in: file,
        rows: index == 0 ? innerSize : modelSize,
        columns: index == 0 ? modelSize : innerSize,
        wordCount: sizes[name] ?? 0
      )
      matrices.append(("\(name).weight", try matrix.quantized()))
    }
    return matrices
  }
}
