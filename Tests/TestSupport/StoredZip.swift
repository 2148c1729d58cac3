/// A zip file of entries that are stored as they are, right or wrong, for tests.
public struct StoredZip {
  /// One entry.
  public struct Entry {
    /// What the table of contents calls it.
    public var name: String
    /// Its bytes.
    public var content: [UInt8]
    /// The compression method and the flags that its headers tell.
    public var (method, flags) = (0, 0)
    /// What its own header calls it, if that is another name.
    public var localName: String?
    /// What the table of contents tells of its size and place, if not the truth.
    public var (size, offset): (Int?, Int?)
    /// Bytes of an extra field before the content.
    public var padding = 0

    /// An entry without lies.
    public init(_ name: String, _ content: [UInt8]) {
      (self.name, self.content) = (name, content)
    }
  }

  /// The entries in order.
  public var entries: [Entry]
  /// Whether sizes and places are stored in 64 bits.
  public var isZip64 = false
  /// What comes behind everything.
  public var comment: [UInt8] = []

  /// An archive of `entries`.
  public init(_ entries: [Entry]) { self.entries = entries }

  /// The archive as `torch.save` makes it: the pickle `pickle` and storages by key.
  public init(pickle: [UInt8], storages: [(key: String, content: [UInt8])]) {
    self.init(
      [Entry("archive/data.pkl", pickle), Entry("archive/byteorder", Array("little".utf8))]
        + storages.map { Entry("archive/data/\($0.key)", $0.content) }
    )
  }

  /// The bytes of the file.
  public var bytes: [UInt8] {
    var (bytes, directory): ([UInt8], [UInt8]) = ([], [])
    for entry in entries {
      let offset = entry.offset ?? bytes.count
      let size = entry.size ?? entry.content.count
      let localName = Array((entry.localName ?? entry.name).utf8)
      let common = number(entry.flags, 2) + number(entry.method, 2) + number(0, 8)
      bytes += number(0x0403_4b50, 4) + number(45, 2) + common
      bytes += number(entry.content.count, 4) + number(entry.content.count, 4)
      bytes += number(localName.count, 2) + number(entry.padding, 2) + localName
      bytes += Array(repeating: 0, count: entry.padding) + entry.content
      let name = Array(entry.name.utf8)
      directory += number(0x0201_4b50, 4) + number(45, 2) + number(45, 2) + common
      directory += number(isZip64 ? 0xffff_ffff : size, 4) + number(isZip64 ? 0xffff_ffff : size, 4)
      directory += number(name.count, 2) + number(isZip64 ? 32 : 0, 2) + number(0, 8) + number(0, 2)
      directory += number(isZip64 ? 0xffff_ffff : offset, 4) + name
      if isZip64 {
        // Another extra field comes first.
        directory += number(0x4246, 2) + number(0, 2)
        directory += number(1, 2) + number(24, 2) + number(size, 8) + number(size, 8)
        directory += number(offset, 8)
      }
    }
    let start = bytes.count
    bytes += directory
    if isZip64 {
      let end = bytes.count
      bytes += number(0x0606_4b50, 4) + number(44, 8) + number(45, 4) + number(0, 8)
      bytes += number(entries.count, 8) + number(entries.count, 8)
      bytes += number(directory.count, 8) + number(start, 8)
      bytes += number(0x0706_4b50, 4) + number(0, 4) + number(end, 8) + number(1, 4)
    }
    bytes += number(0x0605_4b50, 4) + number(0, 4)
    for _ in 0..<2 { bytes += number(isZip64 ? 0xffff : entries.count, 2) }
    bytes += number(isZip64 ? 0xffff_ffff : directory.count, 4)
    bytes += number(isZip64 ? 0xffff_ffff : start, 4)
    return bytes + number(comment.count, 2) + comment
  }

  private func number(_ value: Int, _ width: Int) -> [UInt8] {
    withUnsafeBytes(of: UInt64(value).littleEndian) { Array($0.prefix(width)) }
  }
}

/// Parts of pickles, right or wrong, for tests.
public enum Pickle {
  /// A dictionary of the given values by name.
  public static func dictionary(_ items: [(name: String, value: [UInt8])]) -> [UInt8] {
    program("}(" + items.flatMap { text($0.name) + $0.value } + "u")
  }

  /// What `instructions` do, from the beginning to the end of a pickle.
  public static func program(_ instructions: [UInt8]) -> [UInt8] { [0x80, 2] + instructions + "." }

  /// A string.
  public static func text(_ text: String) -> [UInt8] {
    "X" + withUnsafeBytes(of: UInt32(text.utf8.count).littleEndian, Array.init) + Array(text.utf8)
  }

  /// An integer.
  public static func integer(_ value: Int) -> [UInt8] {
    [0x8a, 8] + withUnsafeBytes(of: value.littleEndian, Array.init)
  }

  /// A class or function.
  public static func global(_ module: String, _ name: String) -> [UInt8] {
    Array("c\(module)\n\(name)\n".utf8)
  }

  /// A tuple.
  public static func tuple(_ values: [[UInt8]]) -> [UInt8] { "(" + values.flatMap(\.self) + "t" }

  /// A storage of `count` elements.
  public static func storage(_ type: String, _ key: String, _ count: Int) -> [UInt8] {
    tuple([text("storage"), global("torch", type), text(key), text("cpu"), integer(count)]) + "Q"
  }

  /// A tensor in a storage of type `type`.
  public static func tensor(
    _ key: String,
    _ shape: [Int],
    strides: [Int]? = nil,
    offset: Int = 0,
    type: String = "FloatStorage",
    count: Int
  ) -> [UInt8] {
    var step = 1
    let ownStrides = shape.reversed().map { size in
      defer { step &*= size }
      return step
    }
    let arguments = [
      storage(type, key, count), integer(offset), tuple(shape.map(integer)),
      tuple((strides ?? ownStrides.reversed()).map(integer)), [0x89],
      global("collections", "OrderedDict") + ")R",
    ]
    return global("torch._utils", "_rebuild_tensor_v2") + tuple(arguments) + "R"
  }
}

/// Instructions by their letters.
private func + (left: String, right: [UInt8]) -> [UInt8] { Array(left.utf8) + right }
private func + (left: [UInt8], right: String) -> [UInt8] { left + Array(right.utf8) }
