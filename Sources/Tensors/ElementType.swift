/// The type of a tensor's elements, as the safetensors format names it.
public enum ElementType: String, Sendable, CaseIterable {
  case bool = "BOOL"
  case u8 = "U8"
  case i8 = "I8"
  case f8e4m3 = "F8_E4M3"
  case f8e5m2 = "F8_E5M2"
  case i16 = "I16"
  case u16 = "U16"
  case f16 = "F16"
  case bf16 = "BF16"
  case i32 = "I32"
  case u32 = "U32"
  case f32 = "F32"
  case i64 = "I64"
  case u64 = "U64"
  case f64 = "F64"

  /// Bytes of one element.
  public var byteCount: Int {
    switch self {
    case .bool, .u8, .i8, .f8e4m3, .f8e5m2: 1
    case .i16, .u16, .f16, .bf16: 2
    case .i32, .u32, .f32: 4
    case .i64, .u64, .f64: 8
    }
  }

  /// Bytes of a tensor of `shape`; `nil` if a dimension is negative, or they do not fit in memory.
  func byteCount(of shape: [Int]) -> Int? {
    var product = byteCount
    for dimension in shape {
      guard dimension >= 0 else { return nil }
      // An empty tensor's other dimensions may not overflow either: some of them are multiplied
      // without the empty one later.
      let (next, overflow) = product.multipliedReportingOverflow(by: max(1, dimension))
      if overflow { return nil }
      product = next
    }
    return shape.contains(0) ? 0 : product
  }
}
