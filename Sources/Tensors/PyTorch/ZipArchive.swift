import Diagnostics

/// The table of contents of a zip file whose entries are stored as they are, not compressed, as PyTorch writes them.
///
/// Source: PKWARE's APPNOTE.TXT, sections 4.3 and 4.5.3 (zip64). Everything the file tells is checked before it is
/// believed: where entries lie, that they do not overlap, and that the two headers of each agree.
struct ZipArchive {
  /// Where the content of each entry lies in the file, by name.
  let entries: [String: Range<Int>]

  /// Reads the table of contents of `bytes`; `path` is for messages.
  ///
  /// - Throws: `InputError` naming the first thing that is wrong.
  init(of bytes: ByteView, path: String) throws(InputError) {
    let reader = LittleEndianReader(bytes, path: path)
    let directory = try Self.directory(reader)
    var entries: [String: Range<Int>] = [:]
    // From an entry's header to its content's end; the directory is no place for entries either.
    var extents = [(range: directory.range, name: "the table of contents")]
    var position = directory.range.lowerBound
    for _ in 0..<directory.count {
      let entry = try CentralHeader(reader, at: &position, before: directory.range.upperBound)
      let content = try entry.content(reader)
      guard entries.updateValue(content, forKey: entry.name) == nil else {
        throw reader.malformed("'\(entry.name)'", expected: "each entry once", found: "it twice")
      }
      extents.append((entry.headerOffset..<content.upperBound, "'\(entry.name)'"))
    }
    extents.sort { $0.range.lowerBound < $1.range.lowerBound }
    for (one, next) in zip(extents, extents.dropFirst())
    where one.range.upperBound > next.range.lowerBound {
      throw reader.malformed(
        next.name,
        expected: "a place of its own",
        found: "one that overlaps \(one.name)"
      )
    }
    self.entries = entries
  }

  /// Whether `bytes` begin as a zip file does.
  static func begins(_ bytes: ByteView) -> Bool { bytes.buffer.starts(with: [0x50, 0x4b, 3, 4]) }

  // MARK: - Finding the directory

  private static let endSignature: UInt64 = 0x0605_4b50
  private static let endByteCount = 22
  private static let (locatorSignature, locatorByteCount): (UInt64, Int) = (0x0706_4b50, 20)
  private static let (end64Signature, end64ByteCount): (UInt64, Int) = (0x0606_4b50, 56)

  /// Where the central directory is, and how many entries it has.
  private static func directory(
    _ reader: LittleEndianReader
  ) throws(InputError) -> (range: Range<Int>, count: Int) {
    let end = try endRecord(reader)
    // Two fields of two bytes name parts of an archive in several files.
    let disks = try reader.number(4, at: end + 4)
    var count = try reader.number(2, at: end + 10)
    var size = try reader.number(4, at: end + 12)
    var offset = try reader.number(4, at: end + 16)
    var limit = end
    let locator = end - locatorByteCount
    if locator >= 0, try reader.number(4, at: locator) == locatorSignature {
      let place = try reader.number(8, at: locator + 8)
      guard place <= UInt64(locator), Int(place) + end64ByteCount <= locator,
        try reader.number(4, at: Int(place)) == end64Signature
      else {
        throw reader.malformed(
          "byte \(locator)",
          expected: "the place of a zip64 record",
          found: "\(place)"
        )
      }
      limit = Int(place)
      count = try reader.number(8, at: limit + 32)
      size = try reader.number(8, at: limit + 40)
      offset = try reader.number(8, at: limit + 48)
    }
    guard disks == 0 || disks == 0xffff_ffff, size <= UInt64(limit), offset <= UInt64(limit),
      offset + size <= UInt64(limit), count <= size / UInt64(CentralHeader.fixedByteCount)
    else {
      throw reader.malformed(
        "byte \(end)",
        expected: "a table of contents before byte \(limit), in this one file",
        found: "\(count) entries in \(size) bytes at \(offset)"
      )
    }
    return (Int(offset)..<Int(offset + size), Int(count))
  }

  /// Where the record is that ends the file, which a comment may follow.
  private static func endRecord(_ reader: LittleEndianReader) throws(InputError) -> Int {
    let last = reader.count - endByteCount
    var place = last
    while place >= max(0, last - 0xffff) {
      if try reader.number(4, at: place) == endSignature,
        try Int(reader.number(2, at: place + 20)) == last - place
      {
        return place
      }
      place -= 1
    }
    throw InputError(
      .truncated,
      at: reader.path,
      expected: "a zip file, which ends with a record of its entries",
      found: "none within \(reader.count) bytes",
      remedy: LittleEndianReader.remedy
    )
  }
}

/// What the central directory tells of one entry.
private struct CentralHeader {
  let name: String
  /// Where the entry's own header is.
  let headerOffset: Int
  private let byteCount: Int

  static let fixedByteCount = 46
  private static let signature: UInt64 = 0x0201_4b50
  private static let localSignature: UInt64 = 0x0403_4b50
  private static let localByteCount = 30
  private static let zip64ID: UInt64 = 1
  /// The value of a field that a zip64 field stands for.
  private static let elsewhere: UInt64 = 0xffff_ffff

  /// Reads the header at `position`, which moves on to the next one.
  init(_ reader: LittleEndianReader, at position: inout Int, before end: Int) throws(InputError) {
    let start = position
    guard end - start >= Self.fixedByteCount, try reader.number(4, at: start) == Self.signature
    else {
      throw reader.malformed(
        "byte \(start)",
        expected: "an entry of the table of contents",
        found: "something else"
      )
    }
    let flags = try reader.number(2, at: start + 8)
    let method = try reader.number(2, at: start + 10)
    var sizes = [
      try reader.number(4, at: start + 24), try reader.number(4, at: start + 20),
      try reader.number(4, at: start + 42),
    ]
    let nameCount = Int(try reader.number(2, at: start + 28))
    let extraCount = Int(try reader.number(2, at: start + 30))
    let commentCount = Int(try reader.number(2, at: start + 32))
    let nameStart = start + Self.fixedByteCount
    position = nameStart + nameCount + extraCount + commentCount
    guard position <= end else {
      throw reader.malformed(
        "byte \(start)",
        expected: "an entry that ends by byte \(end)",
        found: "one up to byte \(position)"
      )
    }
    name = try reader.text(nameStart..<nameStart + nameCount)
    let extra = nameStart + nameCount..<nameStart + nameCount + extraCount
    try Self.replace(&sizes, from: extra, reader, name: name)
    guard flags & 1 == 0, method == 0, sizes[0] == sizes[1] else {
      throw InputError(
        .unsupported,
        at: "\(reader.path): '\(name)'",
        expected: "an entry that is stored as it is",
        found: flags & 1 == 1
          ? "an encrypted one" : "one of compression method \(method), \(sizes[1]) bytes",
        remedy: "Save the file by torch.save, which compresses nothing"
      )
    }
    guard sizes[0] <= UInt64(reader.count), sizes[2] <= UInt64(reader.count) else {
      throw reader.malformed(
        "'\(name)'",
        expected: "\(sizes[0]) bytes behind a header at \(sizes[2])",
        found: "\(reader.count) bytes in the file",
        .truncated
      )
    }
    (byteCount, headerOffset) = (Int(sizes[0]), Int(sizes[2]))
  }

  /// Replaces those of the sizes that are stored in 64 bits, in an extra field.
  private static func replace(
    _ sizes: inout [UInt64],
    from extra: Range<Int>,
    _ reader: LittleEndianReader,
    name: String
  ) throws(InputError) {
    guard sizes.contains(elsewhere) else { return }
    var place = extra.lowerBound
    while place + 4 <= extra.upperBound {
      let count = Int(try reader.number(2, at: place + 2))
      var field = place + 4
      let next = field + count
      if try reader.number(2, at: place) == zip64ID, next <= extra.upperBound {
        for index in sizes.indices where sizes[index] == elsewhere {
          guard field + 8 <= next else { break }
          sizes[index] = try reader.number(8, at: field)
          field += 8
        }
        return
      }
      place = next
    }
    throw reader.malformed("'\(name)'", expected: "its size in 64 bits", found: "none")
  }

  /// Where the content lies: behind the entry's own header, which must name it alike.
  func content(_ reader: LittleEndianReader) throws(InputError) -> Range<Int> {
    let place = headerOffset
    guard reader.count - place >= Self.localByteCount,
      try reader.number(4, at: place) == Self.localSignature
    else {
      throw reader.malformed(
        "'\(name)'",
        expected: "its header at byte \(place)",
        found: "something else"
      )
    }
    let nameCount = Int(try reader.number(2, at: place + 26))
    let nameStart = place + Self.localByteCount
    let start = nameStart + nameCount + Int(try reader.number(2, at: place + 28))
    guard start <= reader.count, byteCount <= reader.count - start else {
      throw reader.malformed(
        "'\(name)'",
        expected: "\(byteCount) bytes at \(start)",
        found: "\(reader.count) bytes in the file",
        .truncated
      )
    }
    let localName = try reader.text(nameStart..<nameStart + nameCount)
    guard localName == name, try reader.number(2, at: place + 8) == 0 else {
      throw reader.malformed(
        "'\(name)'",
        expected: "a header of that name at byte \(place), of an entry stored as it is",
        found: "another one, '\(localName)'"
      )
    }
    return start..<start + byteCount
  }
}

/// Reads numbers and names at given places of a file, whatever it holds.
struct LittleEndianReader {
  let path: String
  private let bytes: ByteView

  init(_ bytes: ByteView, path: String) { (self.bytes, self.path) = (bytes, path) }

  /// Bytes of the file.
  var count: Int { bytes.count }

  static let remedy = "The file is damaged or was not written by torch.save; fetch it again"

  /// The number in the `width` bytes at `place`.
  func number(_ width: Int, at place: Int) throws(InputError) -> UInt64 {
    guard place >= 0, place <= count - width else {
      throw malformed("byte \(place)", expected: "\(width) bytes", found: "the end", .truncated)
    }
    return bytes.buffer[place..<place + width].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// The UTF-8 text in `range`.
  func text(_ range: Range<Int>) throws(InputError) -> String {
    guard range.upperBound <= count else {
      throw malformed("byte \(range.lowerBound)", expected: "a name", found: "the end", .truncated)
    }
    guard let text = String(validating: bytes.buffer[range], as: UTF8.self) else {
      throw malformed("byte \(range.lowerBound)", expected: "a name in UTF-8", found: "other bytes")
    }
    return text
  }

  /// The error for something wrong at `place`.
  func malformed(
    _ place: String,
    expected: String,
    found: String,
    _ kind: InputError.Kind = .malformed
  ) -> InputError {
    InputError(
      kind,
      at: "\(path): \(place)",
      expected: expected,
      found: found,
      remedy: Self.remedy
    )
  }
}
