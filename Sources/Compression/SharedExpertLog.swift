import CompressedFolder
import Diagnostics
import Ranks

/// The log of the experts so far, which the first rank keeps for all.
struct SharedExpertLog {
  /// The log itself; `nil` on all ranks but the first.
  let file: ExpertLog?
  let ranks: Ranks

  /// The experts that were logged under `keys`; `nil` for those that were not.
  func experts(_ keys: [ExpertLog.Key]) throws(InputError) -> [CompressedExpert?] {
    try ranks.fromFirst { keys.map { file?.expert($0) } }
  }

  /// The block of `expert`, which was logged under `key`, on the rank `owner`; `nil` on others.
  func block(
    _ key: ExpertLog.Key,
    of expert: CompressedExpert,
    for owner: Int
  ) throws(InputError) -> EncodedBlock? {
    let block = try ranks.agree { () throws(InputError) in try file?.block(key) }
    let count = expert.block.byteCount
    let bytes = ranks.move(block?.bytes ?? [], count: count, from: 0, to: owner)
    return ranks.index == owner ? EncodedBlock(expert.block, bytes: bytes) : nil
  }

  /// Appends experts, in order, and makes them durable.
  ///
  /// - Parameters:
  ///   - experts: under which key, what, and which rank has its bytes.
  ///   - bytes: those of the expert with an index in `experts`, on the rank that has them.
  func append(
    _ experts: [(key: ExpertLog.Key, expert: CompressedExpert, owner: Int)],
    bytes: (_ index: Int) -> [UInt8]
  ) throws(InputError) {
    var failure: InputError?
    for (index, (key, expert, owner)) in experts.enumerated() {
      let own = owner == ranks.index ? bytes(index) : []
      let bytes = ranks.move(own, count: expert.block.byteCount, from: owner, to: 0)
      // Others go on to send what they have.
      guard let file, failure == nil else { continue }
      do {
        try file.append(key, expert, bytes: bytes)
      } catch {
        failure = error
      }
    }
    try ranks.agree { () throws(InputError) in
      if let failure { throw failure }
      try file?.synchronize()
    }
  }
}
