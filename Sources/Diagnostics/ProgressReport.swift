/// How far a piece of long work is.
public struct ProgressReport: Sendable, Equatable {
  /// What is being done, in a few words.
  public var task: String
  /// Pieces done.
  public var completed: Int
  /// Pieces in all.
  public var total: Int
  /// What a piece is, in the plural.
  public var unit: String

  /// `completed` of `total` pieces of `task`.
  public init(_ task: String, _ completed: Int, of total: Int, _ unit: String) {
    self.task = task
    self.completed = completed
    self.total = total
    self.unit = unit
  }

  /// Is told of progress; called from one thread at a time.
  public typealias Handler = @Sendable (ProgressReport) -> Void
}
