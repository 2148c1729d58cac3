import Foundation

/// A moment in the format of C's `strftime`, with English names.
struct DateFormat {
  private let parts: DateComponents
  private let timeZone: TimeZone
  private let date: Date

  /// `date` where the clocks show `timeZone`.
  init(_ date: Date, _ timeZone: TimeZone) {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = timeZone
    parts = calendar.dateComponents(
      [.year, .month, .day, .hour, .minute, .second, .weekday, .dayOfYear],
      from: date
    )
    self.timeZone = timeZone
    self.date = date
  }

  private static let months = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
  ]
  private static let days = [
    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
  ]

  /// `format` with the moment in place of its conversions.
  func text(_ format: String) throws(Failure) -> String {
    var result = ""
    var scalars = Substring(format).unicodeScalars
    while let scalar = scalars.popFirst() {
      guard scalar == "%" else {
        result.unicodeScalars.append(scalar)
        continue
      }
      let isUnpadded = scalars.first == "-"
      if isUnpadded { scalars.removeFirst() }
      guard let conversion = scalars.popFirst() else {
        throw Failure.unknown("conversion of a date", "%")
      }
      let part = try part(conversion)
      let digits = part.drop { $0 == "0" || $0 == " " }
      result += isUnpadded ? (digits.isEmpty ? "0" : String(digits)) : part
    }
    return result
  }

  private func part(_ conversion: Unicode.Scalar) throws(Failure) -> String {
    let hour = parts.hour ?? 0
    let half = hour % 12 == 0 ? 12 : hour % 12
    switch conversion {
    case "Y": return String(parts.year ?? 0)
    case "y": return padded((parts.year ?? 0) % 100)
    case "m": return padded(parts.month)
    case "d": return padded(parts.day)
    case "e": return padded(parts.day, with: " ")
    case "j": return padded(parts.dayOfYear, width: 3)
    case "H": return padded(hour)
    case "I": return padded(half)
    case "M": return padded(parts.minute)
    case "S": return padded(parts.second)
    case "p": return hour < 12 ? "AM" : "PM"
    case "B": return Self.months.at((parts.month ?? 1) - 1) ?? ""
    case "b", "h": return String((Self.months.at((parts.month ?? 1) - 1) ?? "").prefix(3))
    case "A": return Self.days.at((parts.weekday ?? 1) - 1) ?? ""
    case "a": return String((Self.days.at((parts.weekday ?? 1) - 1) ?? "").prefix(3))
    case "u": return String(((parts.weekday ?? 1) + 5) % 7 + 1)
    case "w": return String((parts.weekday ?? 1) - 1)
    case "F": return try text("%Y-%m-%d")
    case "D", "x": return try text("%m/%d/%y")
    case "T", "X": return try text("%H:%M:%S")
    case "R": return try text("%H:%M")
    case "c": return try text("%a %b %e %H:%M:%S %Y")
    case "s": return String(Int(date.timeIntervalSince1970))
    // The reference's clock knows no time zone.
    case "z", "Z": return ""
    case "n": return "\n"
    case "t": return "\t"
    case "%": return "%"
    default: throw Failure.unknown("conversion of a date", "%\(conversion)")
    }
  }

  private func padded(_ number: Int?, width: Int = 2, with fill: String = "0") -> String {
    let digits = String(number ?? 0)
    return String(repeating: fill, count: max(0, width - digits.count)) + digits
  }
}
