import Diagnostics
import Foundation

/// What sweeps have measured: a file of JSON lines, one for each finished measurement, which grows line
/// by line and outlives an end at any moment. A line has a key, made of all that its value depends on.
///
/// Only one process at a time can have it open.
final class SweepJournal {
  fileprivate struct Line<Value> {
    var key: String
    var value: Value
  }

  private struct Key: Decodable { var key: String }

  private let path: String
  private let file: FileHandle
  /// The lines as they are stored, with their numbers.
  private var lines: [String: (number: Int, text: Data)] = [:]
  private var count = 0
  private var size: UInt64

  /// Much more than any sweep writes.
  private static let largestSize = 1 << 28

  /// Opens or creates the file at `url`. What is left of a line whose writing was cut short is removed.
  ///
  /// - Throws: `InputError` if it cannot be opened, is in use by another process, or has lines that no
  ///   sweep wrote.
  init(_ url: URL) throws(InputError) {
    path = url.path
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o644)
    guard descriptor >= 0 else { throw .system(errno, writing: path) }
    file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
      status.st_size <= Self.largestSize
    else {
      throw InputError(
        .system,
        at: path,
        expected: "the results of a sweep",
        found: "something else",
        remedy: "Choose another output folder"
      )
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      throw InputError(
        .system,
        at: path,
        expected: "nobody else to write it",
        found: "another sweep that does",
        remedy: "Wait for it to end, or choose another output folder"
      )
    }
    size = 0
    let contents: Data
    do {
      contents = try file.readToEnd() ?? Data()
      size = UInt64(contents.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0)
      if size < contents.count { try file.truncate(atOffset: size) }
    } catch {
      throw .unwritable(path, error)
    }
    for line in contents.prefix(Int(size)).split(
      separator: UInt8(ascii: "\n"),
      omittingEmptySubsequences: false
    ).dropLast() {
      count += 1
      guard let key = try? JSONDecoder().decode(Key.self, from: line).key else {
        throw malformed(line: count)
      }
      lines[key] = (count, line)
    }
  }

  private func malformed(line: Int) -> InputError {
    InputError(
      .malformed,
      at: "\(path), line \(line)",
      expected: "a result of a sweep",
      found: "something else",
      remedy: "Remove the line, and what it held is measured again"
    )
  }

  /// What was last stored under `key`, if anything.
  ///
  /// - Throws: `InputError` if it is no `Value`.
  func value<Value: Decodable>(_ key: String, as type: Value.Type) throws(InputError) -> Value? {
    guard let line = lines[key] else { return nil }
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "Infinity",
      negativeInfinity: "-Infinity",
      nan: "NaN"
    )
    do {
      return try decoder.decode(Line<Value>.self, from: line.text).value
    } catch {
      throw malformed(line: line.number)
    }
  }

  /// Stores `value` under `key`: once this returns, it stays.
  ///
  /// - Throws: `InputError` if the system refuses; the file is then as it was.
  func store(_ value: some Encodable, as key: String) throws(InputError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity",
      negativeInfinity: "-Infinity",
      nan: "NaN"
    )
    do {
      let text = try encoder.encode(Line(key: key, value: value))
      try file.seek(toOffset: size)
      try file.write(contentsOf: text + [UInt8(ascii: "\n")])
      try file.synchronize()
      count += 1
      size += UInt64(text.count + 1)
      lines[key] = (count, text)
    } catch {
      try? file.truncate(atOffset: size)
      throw .unwritable(path, error)
    }
  }
}

extension SweepJournal.Line: Encodable where Value: Encodable {}
extension SweepJournal.Line: Decodable where Value: Decodable {}

extension InputError {
  /// The error for a failure to write the file or folder at `path`.
  static func unwritable(_ path: String, _ error: any Error) -> InputError {
    InputError(
      .system,
      at: path,
      expected: "to write it",
      found: error.localizedDescription,
      remedy: "Choose an output folder that can be written"
    )
  }
}
