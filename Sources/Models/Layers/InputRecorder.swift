import Synchronization
import Tensors

/// Takes down what the matrices of a model are multiplied with, for whoever calibrates them.
public final class InputRecorder: Sendable {
  /// Matrices that are multiplied with the same tokens.
  public struct Record: Sendable {
    /// The matrices, in the order of their products.
    public fileprivate(set) var matrices: [Linear]
    /// What they are multiplied with, `[tokens, columns]`.
    public let inputs: Matrix
  }

  @TaskLocal private static var current: InputRecorder?

  private let isWanted: @Sendable (_ name: String) -> Bool
  private let found = Mutex<[Record]>([])

  private init(_ isWanted: @escaping @Sendable (String) -> Bool) { self.isWanted = isWanted }

  /// Calls `body`, and tells what matrices were multiplied with on this thread meanwhile, in float32.
  ///
  /// - Parameters:
  ///   - isWanted: whether to take down the inputs of the matrix of this name.
  ///   - body: multiplies.
  /// - Returns: the inputs, in the order of the products.
  /// - Throws: what `body` throws.
  public static func record<E>(
    _ isWanted: @escaping @Sendable (_ name: String) -> Bool,
    _ body: () throws(E) -> Void
  ) throws(E) -> [Record] {
    let recorder = InputRecorder(isWanted)
    let result = $current.withValue(recorder) { () -> Result<Void, E> in
      do throws(E) {
        return .success(try body())
      } catch {
        return .failure(error)
      }
    }
    try result.get()
    return recorder.found.withLock { $0 }
  }

  /// Takes down that `matrix` is multiplied with `inputs`, if somebody wants to know.
  static func note(_ matrix: Linear, _ inputs: @autoclosure () -> Matrix) {
    guard let current, let name = matrix.name, current.isWanted(name) else { return }
    let inputs = inputs()
    current.found.withLock { found in
      // Matrices side by side share the storage of their inputs.
      if let last = found.indices.last, found[last].inputs.sharesStorage(with: inputs) {
        found[last].matrices.append(matrix)
      } else {
        found.append(Record(matrices: [matrix], inputs: inputs))
      }
    }
  }
}

extension Matrix {
  /// Whether both have their elements at the same place in memory: whoever changes one copies it first.
  fileprivate func sharesStorage(with other: Matrix) -> Bool {
    elements.withUnsafeBufferPointer { mine in
      other.elements.withUnsafeBufferPointer { mine.baseAddress == $0.baseAddress }
    }
  }
}
