/// A rectangle, in pixels; y grows downwards.
struct Box: Equatable {
  var left: Double
  var top: Double
  var right: Double
  var bottom: Double

  var width: Double { right - left }
  var height: Double { bottom - top }

  /// A box with its middle at `center`.
  init(around center: Position, width: Double, height: Double) {
    self.init(
      left: center.x - width / 2,
      top: center.y - height / 2,
      right: center.x + width / 2,
      bottom: center.y + height / 2
    )
  }

  init(left: Double, top: Double, right: Double, bottom: Double) {
    self.left = left
    self.top = top
    self.right = right
    self.bottom = bottom
  }

  /// The area that both cover.
  func overlap(_ other: Box) -> Double {
    let width = min(right, other.right) - max(left, other.left)
    let height = min(bottom, other.bottom) - max(top, other.top)
    return max(0, width) * max(0, height)
  }

  /// The place in the box that is nearest to `position`.
  func nearest(to position: Position) -> Position {
    Position(
      x: min(max(position.x, left), right),
      y: min(max(position.y, top), bottom)
    )
  }
}

/// A place in the drawing, in pixels; y grows downwards.
struct Position: Equatable {
  var x: Double
  var y: Double

  /// Small boxes along the way to `other`, to tell whether something is in it.
  func way(to other: Position, thickness: Double) -> [Box] {
    let steps = Int((max(abs(other.x - x), abs(other.y - y)) / thickness).rounded(.up))
    return (0...steps).map { step in
      let share = Double(step) / Double(max(1, steps))
      let middle = Position(x: x + share * (other.x - x), y: y + share * (other.y - y))
      return Box(around: middle, width: thickness, height: thickness)
    }
  }
}
