extension Decoder {
  /// The value that is there, of the first of some types that it is of.
  ///
  /// - Parameters:
  ///   - forms: make it, each of another type.
  ///   - expected: what is told where it is of none of them.
  func oneOf<Value>(
    _ expected: String,
    _ forms: ((any SingleValueDecodingContainer) throws -> Value)...
  ) throws -> Value {
    let container = try singleValueContainer()
    for form in forms {
      do {
        return try form(container)
      } catch DecodingError.typeMismatch {
        continue
      } catch DecodingError.valueNotFound {
        continue
      }
    }
    throw DecodingError.typeMismatch(
      Value.self,
      .init(codingPath: codingPath, debugDescription: "expected \(expected).")
    )
  }
}
