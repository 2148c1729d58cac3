/// Byte strings one after the other, each found by its id: the pieces of a vocabulary.
struct PieceTable: Sendable {
  private(set) var bytes: [UInt8] = []
  private var ends: [Int] = []

  /// No pieces, with room for so many.
  init(reservingPieces count: Int = 0, bytes byteCount: Int = 0) {
    ends.reserveCapacity(count)
    bytes.reserveCapacity(byteCount)
  }

  /// The given pieces, in order.
  init(_ pieces: [[UInt8]]) {
    for piece in pieces { append(piece) }
  }

  /// The number of pieces.
  var count: Int { ends.count }

  /// Where the piece `id` lies in `bytes`.
  @inline(__always)
  func range(of id: Int) -> Range<Int> { (id == 0 ? 0 : ends[id - 1])..<ends[id] }

  /// The bytes of the piece `id`.
  @inline(__always)
  subscript(id: Int) -> ArraySlice<UInt8> { bytes[range(of: id)] }

  /// Adds a piece, whose id is the number of those before it.
  mutating func append(_ piece: some Sequence<UInt8>) {
    bytes.append(contentsOf: piece)
    ends.append(bytes.count)
  }
}

/// Finds the id of a piece by its bytes.
///
/// Keys are bytes and not `String`: Swift compares strings by canonical equivalence, which would
/// merge different pieces of a vocabulary.
struct PieceIndex: Sendable {
  private let table: PieceTable
  /// An id in each slot, or −1 where it is free; at most half of them are taken.
  private var slots: [Int32]
  private let mask: Int
  /// The number of pieces.
  var count: Int { table.count }
  /// The first id whose piece equals one before it; nil if all differ.
  private(set) var firstDuplicate: Int?

  /// An index of those pieces of `table` whose ids `isIncluded` holds for.
  init(_ table: PieceTable, where isIncluded: (Int) -> Bool = { _ in true }) {
    self.table = table
    var size = 16
    while size < 2 * table.count { size *= 2 }
    slots = [Int32](repeating: -1, count: size)
    mask = size - 1
    table.bytes.withUnsafeBufferPointer { bytes in
      for id in 0..<table.count where isIncluded(id) {
        let piece = UnsafeBufferPointer(rebasing: bytes[table.range(of: id)])
        let slot = slot(of: piece, bytes)
        if slots[slot] >= 0 { firstDuplicate = firstDuplicate ?? id }
        slots[slot] = Int32(id)
      }
    }
  }

  /// The id of `piece`; nil if there is no such piece.
  func id(of piece: UnsafeBufferPointer<UInt8>) -> Int? {
    let found = table.bytes.withUnsafeBufferPointer { slots[slot(of: piece, $0)] }
    return found < 0 ? nil : Int(found)
  }

  /// The id of `piece`; nil if there is no such piece.
  func id(of piece: [UInt8]) -> Int? { piece.withUnsafeBufferPointer { id(of: $0) } }

  private func slot(of piece: UnsafeBufferPointer<UInt8>, _ bytes: UnsafeBufferPointer<UInt8>)
    -> Int
  {
    var slot = Self.hash(piece) & mask
    while slots[slot] >= 0 {
      let range = table.range(of: Int(slots[slot]))
      if range.count == piece.count, bytes[range].elementsEqual(piece) { break }
      slot = (slot + 1) & mask
    }
    return slot
  }

  /// FNV-1a, with its high half folded into the low one.
  private static func hash(_ piece: UnsafeBufferPointer<UInt8>) -> Int {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in piece { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return Int(truncatingIfNeeded: hash ^ hash >> 32)
  }
}
