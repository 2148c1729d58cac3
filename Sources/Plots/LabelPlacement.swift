/// Finds room for labels beside their points: as near as possible, on no mark, line or other label.
struct LabelPlacement {
  /// A label that wants a place.
  struct Label {
    var width: Double
    var height: Double
    /// The middle of the mark that it belongs to.
    var point: Position
  }

  /// Where a label went.
  struct Place: Equatable {
    /// The room of the text.
    var box: Box
    /// Whether the text is so far from its point that a line must join them.
    var needsLeader: Bool
  }

  private let frame: Box
  private let marks: [Position]
  private var taken: [Box]
  /// The area that is covered twice or outside, or near to marks of others.
  private var cost = 0.0

  private init(frame: Box, marks: [Position], lines: [Box]) {
    self.frame = frame
    self.marks = marks
    taken = lines
  }

  /// The places of `labels`, within `frame`, away from all marks and off what lines cover, where that
  /// can be. Labels are placed one after another; of several orders the best counts.
  static func places(
    _ labels: [Label],
    frame: Box,
    marks: [Position],
    lines: [Box]
  ) -> [Place] {
    let rightwards = labels.indices.sorted {
      (labels[$0].point.x, labels[$0].point.y, $0) < (labels[$1].point.x, labels[$1].point.y, $1)
    }
    let downwards = labels.indices.sorted {
      (labels[$0].point.y, labels[$0].point.x, $0) < (labels[$1].point.y, labels[$1].point.x, $1)
    }
    let orders = [
      Array(labels.indices), rightwards, rightwards.reversed(), downwards, downwards.reversed(),
    ]
    var best: (cost: Double, places: [Place])?
    for order in orders {
      var placement = LabelPlacement(frame: frame, marks: marks, lines: lines)
      let placed = order.map { ($0, placement.place(labels[$0])) }
      if best.map({ placement.cost < $0.cost }) ?? true {
        best = (placement.cost, placed.sorted { $0.0 < $1.0 }.map(\.1))
      }
    }
    return best?.places ?? []
  }

  private mutating func place(_ label: Label) -> Place {
    let others = marks.filter { $0 != label.point }
    let candidates = Self.candidates(label)
    var (best, least) = (candidates[0], Double.infinity)
    for candidate in candidates {
      let cost = cost(candidate, label.point, others)
      if cost < least { (best, least) = (candidate, cost) }
      if cost == 0 { break }
    }
    cost += least
    taken.append(best.box)
    if best.needsLeader { taken += leader(best.box, label.point) }
    return best
  }

  // MARK: - Candidates

  /// From the point's middle to the label's edge, nearest first.
  private static let distances: [Double] = [8, 14, 22, 32, 44, 58, 74, 92]

  /// Right, left, above, below, and between; the best first.
  private static let directions = [
    (1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (-1, -1), (1, 1), (-1, 1), (0.5, 1), (-0.5, 1),
    (0.5, -1), (-0.5, -1),
  ].map { Position(x: $0.0, y: $0.1) }

  private static func candidates(_ label: Label) -> [Place] {
    distances.flatMap { distance in
      directions.map { direction in
        let middle = Position(
          x: label.point.x + direction.x * (distance + label.width / 2),
          y: label.point.y + direction.y * (distance + label.height / 2)
        )
        let box = Box(around: middle, width: label.width, height: label.height)
        return Place(box: box, needsLeader: distance > distances[0])
      }
    }
  }

  private func cost(_ place: Place, _ point: Position, _ others: [Position]) -> Double {
    let box = place.box
    let outside = box.width * box.height - box.overlap(frame)
    let leader = place.needsLeader ? leader(box, point) : []
    let covered = ([box] + leader).reduce(0) { sum, part in
      taken.reduce(sum) { $0 + $1.overlap(part) }
    }
    // A label close to another point's mark would be read as that one's.
    let size = Style.markSize
    let confused = others.reduce(0) { sum, mark in
      let near = Box(around: mark, width: 2.2 * size, height: 2.2 * size)
      let middle = Box(around: mark, width: size, height: size)
      return leader.reduce(sum + near.overlap(box)) { $0 + middle.overlap($1) }
    }
    // Text under other text or lines cannot be read at all.
    return 10 * (outside + covered) + confused
  }

  /// The line from a label to its mark, without the mark.
  private func leader(_ box: Box, _ point: Position) -> [Box] {
    let mark = Box(around: point, width: Style.markSize + 2, height: Style.markSize + 2)
    return point.way(to: box.nearest(to: point), thickness: 2).filter { $0.overlap(mark) == 0 }
  }
}
