/// A value of the few kinds that a pickled dictionary of tensors consists of.
enum PickledValue {
  case none
  case truth(Bool)
  case integer(Int)
  case text(String)
  /// At most `Unpickler.tupleLimit` values, of which those that are tuples hold none themselves.
  case tuple([PickledValue])
  /// The dictionary of this number: it can still grow, and be in itself.
  case dictionary(Int)
  case global(PickledGlobal)
  case storage(PickledStorage)
  case tensor(PickledTensor)

  /// What it is, for messages.
  var kind: String {
    switch self {
    case .none: "None"
    case .truth: "a truth value"
    case .integer: "an integer"
    case .text: "a string"
    case .tuple: "a tuple"
    case .dictionary: "a dictionary"
    case .global: "a class or function"
    case .storage: "a storage"
    case .tensor: "a tensor"
    }
  }
}

/// The classes and functions that tensors need; nothing is ever called by name.
enum PickledGlobal: Equatable {
  case orderedDictionary
  /// `torch._utils._rebuild_tensor_v2`
  case tensor
  /// `torch._utils._rebuild_tensor_v3`, which tells the type of elements, not the storage
  case typedTensor
  /// `torch._utils._rebuild_parameter`
  case parameter
  /// A class of storages; without a type it holds bytes.
  case storage(ElementType?)
  /// The type of a tensor's elements.
  case elementType(ElementType)

  /// What `module` calls `name`; `nil` for all that tensors do not need.
  init?(module: String, name: String) {
    switch (module, name) {
    case ("collections", "OrderedDict"): self = .orderedDictionary
    case ("torch._utils", "_rebuild_tensor_v2"): self = .tensor
    case ("torch._utils", "_rebuild_tensor_v3"): self = .typedTensor
    case ("torch._utils", "_rebuild_parameter"): self = .parameter
    case ("torch.storage", "UntypedStorage"), ("torch", "UntypedStorage"): self = .storage(nil)
    case ("torch", _):
      if let type = Self.storages[name] {
        self = .storage(type)
      } else if let type = Self.elementTypes[name] {
        self = .elementType(type)
      } else {
        return nil
      }
    default: return nil
    }
  }

  private static let storages: [String: ElementType] = [
    "FloatStorage": .f32, "HalfStorage": .f16, "BFloat16Storage": .bf16, "DoubleStorage": .f64,
    "LongStorage": .i64, "IntStorage": .i32, "ShortStorage": .i16, "CharStorage": .i8,
    "ByteStorage": .u8, "BoolStorage": .bool,
  ]

  private static let elementTypes: [String: ElementType] = [
    "float32": .f32, "float16": .f16, "bfloat16": .bf16, "float64": .f64, "int64": .i64,
    "int32": .i32, "int16": .i16, "int8": .i8, "uint8": .u8, "bool": .bool, "uint16": .u16,
    "uint32": .u32, "uint64": .u64, "float8_e4m3fn": .f8e4m3, "float8_e5m2": .f8e5m2,
  ]
}

/// A run of numbers in an entry of the file.
struct PickledStorage {
  /// The entry is called `data/KEY`.
  var key: String
  /// Without one the elements are bytes.
  var elementType: ElementType?
  var elements: Int
}

/// A tensor's place in a storage.
final class PickledTensor {
  let storage: PickledStorage
  let elementType: ElementType
  /// In elements from the storage's first.
  let offset: Int
  let shape: [Int]
  /// Elements from one index to the next, for each dimension.
  let strides: [Int]

  init(
    storage: PickledStorage,
    elementType: ElementType,
    offset: Int,
    shape: [Int],
    strides: [Int]
  ) {
    self.storage = storage
    self.elementType = elementType
    self.offset = offset
    self.shape = shape
    self.strides = strides
  }
}
