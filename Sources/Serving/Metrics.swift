import Generation
import Models

/// Figures of an engine in the text format of Prometheus (version 0.0.4).
public enum Metrics {
  /// The Content-Type of `text`.
  public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  /// All figures.
  ///
  /// - Parameter cache: those of the experts' cache, if there is one.
  public static func text(
    _ statistics: EngineStatistics,
    cache: ExpertCache.Statistics? = nil
  ) -> String {
    var lines: [String] = []
    func add(
      _ name: String,
      _ kind: String,
      _ help: String,
      _ samples: [(labels: String, value: String)]
    ) {
      lines.append("# HELP qmoe_\(name) \(help)")
      lines.append("# TYPE qmoe_\(name) \(kind)")
      for sample in samples { lines.append("qmoe_\(name)\(sample.labels) \(sample.value)") }
    }
    func gauge(_ name: String, _ help: String, _ value: Int) {
      add(name, "gauge", help, [("", "\(value)")])
    }
    func counter(_ name: String, _ help: String, _ value: Int) {
      add(name, "counter", help, [("", "\(value)")])
    }
    gauge("texts_running", "Texts that are read or written now.", statistics.running)
    gauge("texts_waiting", "Texts that wait for a place.", statistics.waiting)
    let outcomes = Self.outcomes.map { outcome, name in
      (labels: "{outcome=\"\(name)\"}", value: "\(statistics.ended[outcome] ?? 0)")
    }
    add("texts_total", "counter", "Texts that ended, by how.", outcomes)
    counter("texts_refused_total", "Texts refused since the queue was full.", statistics.refused)
    counter("input_tokens_total", "Tokens of prompts.", statistics.inputTokens)
    counter(
      "known_tokens_total",
      "Tokens of prompts read for earlier texts.",
      statistics.knownTokens
    )
    counter("tokens_total", "Tokens written.", statistics.tokens)
    if let cache {
      counter("expert_cache_hits_total", "Uses of experts that were in memory.", cache.hits)
      counter("expert_cache_misses_total", "Uses of experts that were read.", cache.misses)
      counter("expert_cache_read_bytes_total", "Bytes of experts read.", cache.bytesRead)
    }
    for (name, help, histogram) in [
      ("first_token_seconds", "From a text's arrival to its first token.", statistics.firstToken),
      ("between_tokens_seconds", "From one token of a text to the next.", statistics.betweenTokens),
      ("text_seconds", "From a text's arrival to its end.", statistics.duration),
    ] {
      var sum = 0
      var samples = zip(EngineStatistics.Histogram.bounds, histogram.counts).map { bound, count in
        sum += count
        return (labels: "_bucket{le=\"\(bound)\"}", value: "\(sum)")
      }
      samples.append(("_bucket{le=\"+Inf\"}", "\(histogram.count)"))
      samples.append(("_sum", "\(histogram.sum)"))
      samples.append(("_count", "\(histogram.count)"))
      add(name, "histogram", help, samples)
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static let outcomes: [(EngineStatistics.Outcome, String)] = [
    (.finished(.stop), "stop"), (.finished(.length), "length"), (.finished(.context), "context"),
    (.cancelled, "cancelled"), (.failed, "failed"),
  ]
}
