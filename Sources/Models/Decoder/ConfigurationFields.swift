import Diagnostics
import Foundation

/// The fields of a `config.json`, read by type, so that every error names the field.
struct ConfigurationFields {
  /// Any JSON value.
  private enum Value: Decodable {
    case null
    case flag(Bool)
    case number(Double)
    case text(String)
    case list([Value])
    case object([String: Value])

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if container.decodeNil() {
        self = .null
      } else if let flag = try? container.decode(Bool.self) {
        self = .flag(flag)
      } else if let number = try? container.decode(Double.self) {
        self = .number(number)
      } else if let text = try? container.decode(String.self) {
        self = .text(text)
      } else if let list = try? container.decode([Value].self) {
        self = .list(list)
      } else {
        self = .object(try container.decode([String: Value].self))
      }
    }
  }

  /// Parsed JSON takes many times its size in memory.
  private static let largestFile = 1 << 24

  /// Where the fields are, for messages.
  let place: String
  private let fields: [String: Value]

  /// The fields of the JSON object `json`, the content of the file at `path`.
  ///
  /// - Throws: `InputError` if it is not an object, or far larger than any configuration.
  init(_ json: Data, path: String) throws(InputError) {
    place = path
    guard json.count <= Self.largestFile else {
      throw InputError(
        .invalidValue,
        at: path,
        expected: "at most \(Self.largestFile) bytes of JSON",
        found: "\(json.count)"
      )
    }
    do {
      // Of equal keys the last counts, as in Python and where compressed folders are written; the
      // decoder alone would take the first.
      let json = try JSONSerialization.data(
        withJSONObject: JSONSerialization.jsonObject(with: json, options: .fragmentsAllowed),
        options: .fragmentsAllowed
      )
      fields = try JSONDecoder().decode([String: Value].self, from: json)
    } catch {
      throw InputError(
        .malformed,
        at: path,
        expected: "a JSON object",
        found: error is DecodingError ? error.shortDescription : error.localizedDescription
      )
    }
  }

  private init(_ fields: [String: Value], place: String) {
    self.fields = fields
    self.place = place
  }

  /// Whether the field is there, and null.
  func isNull(_ name: String) -> Bool { if case .null = fields[name] { true } else { false } }

  /// Whether the field is there, and not null.
  func contains(_ name: String) -> Bool { fields[name] != nil && !isNull(name) }

  private func value(_ names: [String]) -> (name: String, value: Value)? {
    for name in names {
      switch fields[name] {
      case nil, .null: continue
      case let value?: return (name, value)
      }
    }
    return nil
  }

  private func wrongType(_ name: String, _ expected: String) -> InputError {
    InputError(
      .malformed,
      at: place,
      expected: "\(name) to be \(expected)",
      found: "a value of another type"
    )
  }

  /// The first of the whole numbers `names` that is there; `nil` if none is.
  func optionalInteger(_ names: String..., in range: ClosedRange<Int>) throws(InputError) -> Int? {
    guard let (name, value) = value(names) else { return nil }
    guard case .number(let number) = value, let integer = Int(exactly: number) else {
      throw wrongType(name, "a whole number")
    }
    return try require(name, integer, in: range)
  }

  private func require(
    _ name: String,
    _ integer: Int,
    in range: ClosedRange<Int>
  ) throws(InputError) -> Int {
    guard range.contains(integer) else {
      throw InputError(
        .invalidValue,
        at: place,
        expected: "\(name) in \(range)",
        found: "\(integer)" + (contains(name) ? "" : ", the value where it is not given")
      )
    }
    return integer
  }

  /// The first of the whole numbers `names` that is there, or else `standard`.
  ///
  /// - Throws: `InputError` if there is none and no standard, or it is out of range.
  func integer(
    _ names: String...,
    default standard: Int? = nil,
    in range: ClosedRange<Int> = 1...1 << 24
  ) throws(InputError) -> Int {
    for name in names {
      if let integer = try optionalInteger(name, in: range) { return integer }
    }
    guard let standard else {
      throw InputError(
        .missing,
        at: place,
        expected: names.joined(separator: " or "),
        found: "no such field",
        remedy: "The configuration is incomplete"
      )
    }
    return try require(names[0], standard, in: range)
  }

  /// The finite number `name`; `nil` if it is not there.
  func optionalNumber(_ name: String) throws(InputError) -> Double? {
    guard let (_, value) = value([name]) else { return nil }
    guard case .number(let number) = value, number.isFinite else {
      throw wrongType(name, "a number")
    }
    return number
  }

  /// The number `name` above 0, finite in single precision too; `nil` if it is not there.
  func optionalPositive(_ name: String) throws(InputError) -> Double? {
    guard let number = try optionalNumber(name) else { return nil }
    guard number > 0, Float(number).isFinite else {
      throw InputError(
        .invalidValue,
        at: place,
        expected: "\(name) above 0, and finite in single precision",
        found: "\(number)"
      )
    }
    return number
  }

  /// As `optionalPositive`, or else `standard`.
  func positive(_ name: String, default standard: Double? = nil) throws(InputError) -> Double {
    guard let number = try optionalPositive(name) ?? standard else {
      throw InputError(.missing, at: place, expected: name, found: "no such field")
    }
    return number
  }

  /// Whether `name` is true, or else `standard`; null is false, as in Python.
  func flag(_ name: String, default standard: Bool) throws(InputError) -> Bool {
    if isNull(name) { return false }
    guard let (_, value) = value([name]) else { return standard }
    guard case .flag(let flag) = value else { throw wrongType(name, "true or false") }
    return flag
  }

  /// The first of the strings `names` that is there; `nil` if none is.
  func optionalText(_ names: String...) throws(InputError) -> String? {
    guard let (name, value) = value(names) else { return nil }
    guard case .text(let text) = value else { throw wrongType(name, "a string") }
    return text
  }

  /// One of `known`, the values of `name` that this program can follow, or else `standard`.
  ///
  /// - Throws: `InputError` naming a value that it cannot.
  func choice(_ name: String, of known: [String], default standard: String) throws(InputError)
    -> String
  {
    let found = try optionalText(name) ?? standard
    guard known.contains(found) else {
      throw InputError(
        .unsupported,
        at: place,
        expected: "\(name) to be " + known.map { "'\($0)'" }.joined(separator: " or "),
        found: "'\(found)'",
        remedy: "This version of qmoe does not run such models"
      )
    }
    return found
  }

  /// A whole number or a list of them; empty if there is none.
  func integers(_ name: String, in range: ClosedRange<Int>) throws(InputError) -> [Int] {
    guard let (_, value) = value([name]) else { return [] }
    let list: [Value] = if case .list(let list) = value { list } else { [value] }
    var integers: [Int] = []
    for item in list {
      guard case .number(let number) = item, let integer = Int(exactly: number) else {
        throw wrongType(name, "whole numbers")
      }
      guard range.contains(integer) else {
        throw InputError(
          .invalidValue,
          at: place,
          expected: "\(name) in \(range)",
          found: "\(integer)"
        )
      }
      integers.append(integer)
    }
    return integers
  }

  /// A list of strings; `nil` if there is none.
  func texts(_ name: String) throws(InputError) -> [String]? {
    guard let (_, value) = value([name]) else { return nil }
    guard case .list(let list) = value else { throw wrongType(name, "a list of strings") }
    var texts: [String] = []
    for item in list {
      guard case .text(let text) = item else { throw wrongType(name, "a list of strings") }
      texts.append(text)
    }
    return texts
  }

  /// The fields of the object `name`; `nil` if it is not there, or empty.
  func object(_ name: String) throws(InputError) -> ConfigurationFields? {
    guard let (_, value) = value([name]) else { return nil }
    guard case .object(let fields) = value else { throw wrongType(name, "an object") }
    return fields.isEmpty ? nil : ConfigurationFields(fields, place: "\(place), \(name)")
  }

  /// How rotary positions are scaled: the fields of `rope_scaling`, the older name, or
  /// `rope_parameters`.
  func rotaryScaling() throws(InputError) -> ConfigurationFields? {
    if let older = try object("rope_scaling") { return older }
    return try object("rope_parameters")
  }
}
