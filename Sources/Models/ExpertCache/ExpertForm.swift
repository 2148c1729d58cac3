import CompressedFolder
import Diagnostics
import Tensors

/// What the experts of one layer have in common, and what their matrices are called.
struct ExpertForm: Sendable {
  /// Of each expert, the names of its matrices: one or two for the input, and the last for the output.
  var names: [[String]]
  /// Length of a hidden state.
  var modelSize: Int
  /// Inner neurons.
  var inner: Int
  var activation: FeedForward.Activation
  /// Of each expert; `nil` where they have none.
  var biases: [FeedForward.Biases]?

  /// Weights of an expert.
  var weightCount: Int { (names.first?.count ?? 0) * modelSize * inner }

  /// Expert `index` of the matrices that `matrix` gives by their names and sizes.
  func expert(
    _ index: Int,
    _ matrix: (_ name: String, _ rows: Int, _ columns: Int) throws(InputError) -> Linear
  ) throws(InputError) -> FeedForward {
    let names = names[index]
    var matrices: [Linear] = []
    for name in names.dropLast() { matrices.append(try matrix(name, inner, modelSize)) }
    matrices.append(try matrix(names[names.count - 1], modelSize, inner))
    return expert(index, matrices)
  }

  /// Expert `index` of the given matrices, in the order of their names.
  func expert(_ index: Int, _ matrices: [Linear]) -> FeedForward {
    FeedForward(
      input: Array(matrices.dropLast()),
      output: matrices[matrices.count - 1],
      names: names[index],
      activation: activation,
      biases: biases?[index]
    )
  }
}
