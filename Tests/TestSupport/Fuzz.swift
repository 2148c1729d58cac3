import Diagnostics
import Foundation
import Tensors

/// Inputs that nobody would write, one after another: as many as a test names, or with `make fuzz` as many as there is
/// time for.
///
/// Input `i` depends on the seed and `i` alone. `QMOE_FUZZ_SECONDS` says for how long, `QMOE_FUZZ_SEED` the seed and
/// `QMOE_FUZZ_INPUT` where to begin; before each input, its number is written to the file `QMOE_FUZZ_FILE`, so that
/// one that ends the process is known.
public struct Fuzz {
  /// What came of it.
  public private(set) var tried = 0
  /// Inputs that gave an `InputError`, as most should.
  public private(set) var refused = 0
  /// Inputs that gave another error, with their numbers.
  public private(set) var failures: [String] = []

  /// Whatever should not be, with what it is.
  public struct Unexpected: Error, CustomStringConvertible {
    /// What it is.
    public let description: String

    /// An error of this description.
    public init(_ description: String) { self.description = description }
  }

  /// Calls `body` for `inputs` inputs, or until the time is over; the random numbers that make each are its argument.
  ///
  /// - Parameters:
  ///   - reader: what is tried, for the last line.
  ///   - seed: of the inputs that are tried where the environment does not tell.
  public init(
    _ reader: String,
    inputs: Int,
    seed: UInt64,
    _ body: (inout SeededGenerator) throws -> Void
  ) throws {
    let environment = ProcessInfo.processInfo.environment
    let seconds = environment["QMOE_FUZZ_SECONDS"].flatMap(Double.init)
    let seed = environment["QMOE_FUZZ_SEED"].flatMap(UInt64.init) ?? seed
    let first = environment["QMOE_FUZZ_INPUT"].flatMap(Int.init) ?? 0
    let file = environment["QMOE_FUZZ_FILE"].map { open($0, O_WRONLY | O_CREAT, 0o644) } ?? -1
    defer { if file >= 0 { close(file) } }
    let start = ContinuousClock.now
    while seconds.map({ (ContinuousClock.now - start) / .seconds(1) < $0 }) ?? (tried < inputs) {
      let number = first + tried
      if file >= 0 {
        let text = Array("\(number)\n".utf8)
        _ = pwrite(file, text, text.count, 0)
      }
      // Far from those of other seeds.
      var random = SeededGenerator(seed: seed &* 0x9e37_79b9_7f4a_7c15 &+ UInt64(number))
      tried += 1
      do {
        try body(&random)
      } catch is InputError {
        refused += 1
      } catch {
        failures.append("input \(number) of seed \(seed): \(error)")
      }
    }
    guard seconds != nil else { return }
    print("fuzz: \(reader): \(tried) inputs, \(refused) refused, \(failures.count) failures")
    for failure in failures { print("fuzz: \(reader): failure: \(failure)") }
  }

  /// Texts that numbers and other values of JSON can be replaced by.
  private static let words = [
    "-1", "0", "1", "-0.0", "1e999", "1e-999", "9223372036854775807", "9223372036854775808",
    "-9223372036854775808",
    "4294967296", "2147483648", "18446744073709551616", "0.5", "1e18", "null", "true", "[]", "{}",
    "\"\"", "[[[[", "\"\\u0000\"",
    "\"../x\"", "[1,2]", "{\"a\":1}",
  ].map { Array($0.utf8) }

  /// `original` with a few bytes changed, pieces removed, repeated or moved, numbers replaced by others, and sometimes cut
  /// short.
  public static func mutated(_ original: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
    var bytes = original
    func index(_ random: inout SeededGenerator) -> Int {
      Int.random(in: bytes.indices, using: &random)
    }
    func piece(of bytes: [UInt8], _ random: inout SeededGenerator) -> Range<Int> {
      let start = Int.random(in: bytes.indices, using: &random)
      return start..<min(bytes.count, start + Int.random(in: 1...16, using: &random))
    }
    // One change more often than many.
    let changes = Int.random(in: 1...Int.random(in: 1...5, using: &random), using: &random)
    for _ in 0..<changes {
      guard !bytes.isEmpty else { break }
      let range = piece(of: bytes, &random)
      switch Int.random(in: 0..<9, using: &random) {
      case 0: bytes[index(&random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      case 1: bytes[index(&random)] = UInt8.random(in: 0...255, using: &random)
      case 2:
        bytes[index(&random)] =
          [0, 1, 0x7f, 0x80, 0xff, 0x30, 0x22][Int.random(in: 0..<7, using: &random)]
      case 3: bytes.removeSubrange(range)
      case 4: bytes.insert(contentsOf: original[piece(of: original, &random)], at: range.lowerBound)
      case 5: bytes.replaceSubrange(range, with: original[piece(of: original, &random)])
      case 6: bytes[index(&random)] = original[Int.random(in: original.indices, using: &random)]
      default: replaceNumber(in: &bytes, from: range.lowerBound, &random)
      }
    }
    if Int.random(in: 0..<8, using: &random) == 0, !bytes.isEmpty {
      bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random))
    }
    return bytes
  }

  /// Replaces the next run of digits.
  private static func replaceNumber(
    in bytes: inout [UInt8],
    from start: Int,
    _ random: inout SeededGenerator
  ) {
    func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
    guard let first = bytes[start...].firstIndex(where: isDigit) else { return }
    let end = bytes[first...].firstIndex { !isDigit($0) } ?? bytes.count
    let word = words[Int.random(in: words.indices, using: &random)]
    bytes.replaceSubrange(first..<end, with: word)
  }
}
