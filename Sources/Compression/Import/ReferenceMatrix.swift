import Diagnostics
import Quantization
import Tensors

/// A ternary matrix as the QMoE authors' code stores it.
struct ReferenceMatrix: Sendable {
  private let rows: Int
  private let columns: Int
  /// I16: numbers of sequences in the dictionary, row after row.
  private let words: TensorView
  /// I32 `[rows + 1]`: where each row's words begin.
  private let offsets: TensorView
  /// BF16 `[rows, 2]`: least and greatest weight.
  private let levels: TensorView

  /// The matrix of `rows × columns` weights that `file` holds as `name`, which has `wordCount` words.
  ///
  /// - Throws: `InputError` if a part is missing, or is not of the type and size that it must be.
  init(
    _ name: String,
    in file: PyTorchFile,
    rows: Int,
    columns: Int,
    wordCount: Int
  ) throws(InputError) {
    func part(_ suffix: String, _ type: ElementType, _ count: Int) throws(InputError) -> TensorView
    {
      let full = "\(name).\(suffix)"
      guard let tensor = file.tensors[full]?.view(full, in: file.file) else {
        throw InputError(
          .missing,
          at: file.file.path,
          expected: "a tensor '\(full)'",
          found: "none of that name",
          remedy: "The checkpoint is incomplete, or its config.json tells of another model"
        )
      }
      guard tensor.elementType == type, tensor.shape == [count] else {
        throw InputError(
          .invalidValue,
          at: tensor.place,
          expected: "\(type.rawValue) [\(count)]",
          found: "\(tensor.elementType.rawValue) \(tensor.shape)",
          remedy: "The tensor does not fit config.json and sizes.pt"
        )
      }
      return tensor
    }
    (self.rows, self.columns) = (rows, columns)
    words = try part("w_comp", .i16, wordCount)
    offsets = try part("row_off", .i32, rows + 1)
    levels = try part("ter_minmax", .bf16, 2 * rows)
    // So that no more memory is asked for than the file bears out.
    guard rows * columns <= wordCount * 2 * ReferenceDictionary.pairLimit else {
      throw InputError(
        .invalidValue,
        at: words.place,
        expected: "words for \(rows) × \(columns) weights",
        found: "\(wordCount), of at most \(2 * ReferenceDictionary.pairLimit) weights each",
        remedy: "The tensor does not fit config.json"
      )
    }
  }

  /// The weights: of each row those of symbol 0 are 0, of 1 its least, of 2 its greatest weight.
  ///
  /// - Throws: `InputError` naming the first row that makes no sense.
  func quantized() throws(InputError) -> QuantizedMatrix {
    var symbols = [UInt8](repeating: 0, count: rows * columns)
    var rowLevels: [Levels] = []
    rowLevels.reserveCapacity(rows)
    let extremes = try levels.floats()
    try symbols.withUnsafeMutableBufferPointer { (symbols) throws(InputError) in
      guard let base = symbols.baseAddress else { return }
      for row in 0..<rows {
        let out = base + row * columns
        try decode(row, into: out)
        let weights = UnsafeMutableBufferPointer(start: out, count: columns)
        rowLevels.append(
          try Self.levels(weights, extremes[2 * row], extremes[2 * row + 1], row, levels.place)
        )
      }
    }
    return QuantizedMatrix(rows: rows, columns: columns, symbols: symbols, exactly: rowLevels)
  }

  /// Writes the symbols of a row, `[columns]`.
  private func decode(_ row: Int, into out: UnsafeMutablePointer<UInt8>) throws(InputError) {
    func offset(_ index: Int) -> Int {
      Int(
        Int32(littleEndian: (offsets.bytes.base + 4 * index).loadUnaligned(as: Int32.self))
      )
    }
    let (begin, end) = (offset(row), offset(row + 1))
    let limit = row == rows - 1 ? words.count...words.count : 0...words.count
    guard row > 0 || begin == 0, 0 <= begin, begin <= end, limit.contains(end) else {
      throw InputError(
        .malformed,
        at: "\(offsets.place), row \(row)",
        expected: "rising offsets from 0 to \(words.count)",
        found: "\(begin) to \(end)"
      )
    }
    let dictionary = ReferenceDictionary.shared
    var count = 0
    for index in begin..<end {
      let word = (words.bytes.base + 2 * index).loadUnaligned(as: UInt16.self)
      count += dictionary.decode(
        UInt16(littleEndian: word),
        into: out + min(count, columns),
        capacity: columns - min(count, columns)
      )
    }
    // Words stand for pairs: of an odd number of columns the last has a symbol too many.
    guard count == columns + columns % 2 else {
      throw InputError(
        .malformed,
        at: "\(words.place), row \(row)",
        expected: "words for \(columns) weights",
        found: "words for \(count)"
      )
    }
  }

  /// Turns the symbols of a row, 0, 1 and 2 for zero, least and greatest weight, into those of low, zero and high
  /// level, and gives these levels. The least weight of a row without negative ones is 0, for example, and of a row
  /// whose weights are all the same it is the greatest, too.
  private static func levels(
    _ symbols: UnsafeMutableBufferPointer<UInt8>,
    _ least: Float,
    _ greatest: Float,
    _ row: Int,
    _ place: String
  ) throws(InputError) -> Levels {
    let values = [0, least, greatest]
    let isUsed = [false, symbols.contains(1), symbols.contains(2)]
    var levels = Levels(low: 0, high: 0)
    for (value, isUsed) in zip(values, isUsed) where isUsed && value != 0 {
      let other = value < 0 ? levels.low : levels.high
      guard other == 0 || other == value else {
        throw InputError(
          .unsupported,
          at: "\(place), row \(row)",
          expected: "a least weight of at most 0 and a greatest of at least 0",
          found: "\(least) and \(greatest)"
        )
      }
      if value < 0 { levels.low = value } else { levels.high = value }
    }
    let translation = values.map { UInt8($0 < 0 ? 0 : $0 > 0 ? 2 : 1) }
    for index in symbols.indices { symbols[index] = translation[Int(symbols[index])] }
    return levels
  }
}
