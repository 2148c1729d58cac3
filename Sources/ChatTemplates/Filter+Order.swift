extension Renderer {
  /// The filters that order a sequence or add it up.
  func sort(_ filter: Filter, _ value: Object, _ call: Call) throws(Failure) -> Object {
    switch filter {
    case .dictsort: return try dictsort(value, call)
    case .sum:
      let arguments = try call.matched("sum", "attribute", "start")
      var sum = arguments[1] ?? .integer(0)
      for item in try value.elements(budget) {
        sum = try operation(.add, sum, try key(of: item, arguments[0], isCaseSensitive: true))
      }
      return sum
    case .sort:
      let arguments = try call.matched("sort", "reverse", "case_sensitive", "attribute")
      let isReversed = arguments[0]?.isTrue ?? false
      let isCaseSensitive = arguments[1]?.isTrue ?? false
      var items: [Keyed] = []
      for item in try value.elements(budget) {
        let keys = try paths(arguments[2]).map { (path) throws(Failure) in
          try key(of: item, path, isCaseSensitive: isCaseSensitive)
        }
        items.append((.list(try List(keys)), item))
      }
      return .list(try List(try ordered(items, isReversed: isReversed)))
    case .unique:
      let arguments = try call.matched("unique", "case_sensitive", "attribute")
      return try unique(try keyed(value, arguments[1], arguments[0]))
    default:
      let arguments = try call.matched(filter.rawValue, "case_sensitive", "attribute")
      return try extreme(filter, try keyed(value, arguments[1], arguments[0]))
    }
  }

  private typealias Keyed = (key: Object, item: Object)

  private func keyed(
    _ value: Object,
    _ path: Object?,
    _ isCaseSensitive: Object?
  ) throws(Failure) -> [Keyed] {
    var items: [Keyed] = []
    for item in try value.elements(budget) {
      let key = try key(of: item, path, isCaseSensitive: isCaseSensitive?.isTrue ?? false)
      items.append((key, item))
    }
    return items
  }

  /// The paths that commas separate in what `sort` orders by.
  private func paths(_ attribute: Object?) -> [Object?] {
    guard case .string(let text)? = attribute else { return [attribute] }
    return text.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
      .map { .string(String(decoding: $0, as: UTF8.self)) }
  }

  /// What `item` is ordered by.
  private func key(
    of item: Object,
    _ path: Object?,
    isCaseSensitive: Bool
  ) throws(Failure) -> Object {
    let key = try path.map { (path) throws(Failure) in try member(path, of: item) } ?? item
    try budget.spend(on: key)
    guard !isCaseSensitive, case .string(let text) = key else { return key }
    return .string(text.lowercased())
  }

  private func ordered(_ items: [Keyed], isReversed: Bool) throws(Failure) -> [Object] {
    let budget = budget
    return try stableSort(items) { (left, right) throws(Failure) in
      try isReversed
        ? right.key.isLess(than: left.key, budget) : left.key.isLess(than: right.key, budget)
    }.map(\.item)
  }

  private func dictsort(_ value: Object, _ call: Call) throws(Failure) -> Object {
    let arguments = try call.matched("dictsort", "case_sensitive", "by", "reverse")
    guard case .dictionary(let mapping) = value else {
      throw Failure(expected: "a dictionary", found: value.description)
    }
    let by = try arguments[1]?.text(budget) ?? "key"
    guard by == "key" || by == "value" else {
      throw Failure(expected: "'key' or 'value' to sort by", found: by)
    }
    let isCaseSensitive = arguments[0]?.isTrue ?? false
    var items: [Keyed] = []
    for (key, value) in zip(mapping.keys, mapping.values) {
      let sorted = by == "key" ? key : value
      let order = try self.key(of: sorted, nil, isCaseSensitive: isCaseSensitive)
      items.append((order, try List.pair(key, value)))
    }
    return .list(try List(try ordered(items, isReversed: arguments[2]?.isTrue ?? false)))
  }

  private func unique(_ items: [Keyed]) throws(Failure) -> Object {
    var seen: Set<Key> = []
    var results: [Object] = []
    for (key, item) in items {
      guard let hashed = try Key(key, budget) else {
        throw Failure(expected: "values that can be keys", found: key.description)
      }
      if seen.insert(hashed).inserted { results.append(item) }
    }
    return .generator(try Generator(results))
  }

  private func extreme(_ filter: Filter, _ items: [Keyed]) throws(Failure) -> Object {
    guard var best = items.first else { return .undefined("an empty sequence has no \(filter)") }
    for candidate in items.dropFirst() {
      let isBetter =
        try filter == .min
        ? candidate.key.isLess(than: best.key, budget)
        : best.key.isLess(than: candidate.key, budget)
      if isBetter { best = candidate }
    }
    return best.item
  }
}

/// `items` in order, equal ones as they stood; a merge sort, since the standard library's sort takes
/// no order that throws a typed error.
func stableSort<Item>(
  _ items: [Item],
  _ isLess: (Item, Item) throws(Failure) -> Bool
) throws(Failure) -> [Item] {
  guard items.count > 1 else { return items }
  let middle = items.count / 2
  let left = try stableSort(Array(items[..<middle]), isLess)
  let right = try stableSort(Array(items[middle...]), isLess)
  var merged: [Item] = []
  merged.reserveCapacity(items.count)
  var (first, second) = (0, 0)
  while first < left.count, second < right.count {
    if try isLess(right[second], left[first]) {
      merged.append(right[second])
      second += 1
    } else {
      merged.append(left[first])
      first += 1
    }
  }
  return merged + left[first...] + right[second...]
}
