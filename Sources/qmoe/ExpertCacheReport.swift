import Diagnostics
import Models

/// What is told of an expert cache.
struct ExpertCacheReport: Encodable {
  private let statistics: ExpertCache.Statistics

  enum CodingKeys: String, CodingKey {
    case hits, misses, reads
    case hitRate = "hit_rate"
    case bytesRead = "bytes_read"
    case capacityBytes = "capacity_bytes"
    case peakMemoryBytes = "peak_memory_bytes"
  }

  /// What is told of the cache of `model`; `nil` if it has none.
  init?(_ model: any LanguageModel) {
    guard let cache = model.expertCache else { return nil }
    statistics = cache.statistics
  }

  func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(statistics.hits, forKey: .hits)
    try fields.encode(statistics.misses, forKey: .misses)
    try fields.encode(statistics.hitRate, forKey: .hitRate)
    try fields.encode(statistics.reads, forKey: .reads)
    try fields.encode(statistics.bytesRead, forKey: .bytesRead)
    try fields.encode(statistics.capacity, forKey: .capacityBytes)
    try fields.encode(peakMemory(), forKey: .peakMemoryBytes)
  }

  /// One line.
  var summary: String {
    "experts in \(statistics.capacity.asBytes) of memory: \((100 * statistics.hitRate).formatted(1)) % "
      + "of \(statistics.hits + statistics.misses) uses were there; read "
      + "\(statistics.bytesRead.asBytes) in \(statistics.reads) reads; "
      + "at most \(peakMemory().asBytes) in all"
  }
}
