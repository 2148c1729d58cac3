/// Rows of a matrix whose numbers no kernel takes as they are stored: a panel at a time becomes float32.
public protocol ExpandableRows: Sendable {
  /// Number of rows.
  var count: Int { get }
  /// Numbers of each.
  var columns: Int { get }

  /// Writes the rows `range` as float32 to `out`, `[range.count, columns]`.
  func expand(_ range: Range<Int>, into out: UnsafeMutablePointer<Float>)
}
