import ArgumentParser
import Diagnostics
import Models

/// The option of commands that run a model.
struct MemoryOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Memory for the model, such as 8GB: all but the experts, and as many of these as it leaves room for. "
        + "Others are read from the compressed folder when they are needed (default: all are mapped).",
      valueName: "size"
    )
  )
  var memory: ByteSize?

  /// What the model may take while so many threads run it; `nil` for all that there is.
  func budget(threads: Int) -> ExpertCache.Memory? {
    memory.map { ExpertCache.Memory(byteCount: $0.bytes, threads: threads) }
  }
}

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
