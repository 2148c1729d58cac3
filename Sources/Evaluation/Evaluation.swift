import Corpus
import Diagnostics
import Foundation
import Kernels
import Models
import Tensors

/// How well a model predicts given labels.
public struct Evaluation: Codable, Sendable, Equatable {
  /// Mean negative log-likelihood over all target tokens, in nats.
  public var loss: Double
  /// `exp(loss)`
  public var perplexity: Double
  /// Labels that counted.
  public var targetTokens: Int
  /// Wall time.
  public var seconds: Double

  enum CodingKeys: String, CodingKey {
    case loss, perplexity, seconds
    case targetTokens = "target_tokens"
  }

  /// Evaluates `model` on `samples`, one sequence at a time (padding would take up experts'
  /// capacity).
  ///
  /// - Throws: `InputError` if no label counts, an id is out of range, or weights are damaged.
  public static func run(
    _ model: any LanguageModel,
    on samples: [Sample],
    workers: Workers,
    progress: @escaping ProgressReport.Handler
  ) throws(InputError) -> Evaluation {
    let start = ContinuousClock.now
    for (index, sample) in samples.enumerated() {
      try model.requireContext(
        for: sample.inputIDs.count,
        at: "sequence \(index + 1) of the data",
        remedy: "Cut the sequences shorter, or give text, which is cut into windows"
      )
    }
    let done = Counter()
    let losses = try workers.map(samples.count) { (index) throws(InputError) -> [Double] in
      let sample = samples[index]
      let losses = try Self.losses(model, sample)
      done.add { progress(ProgressReport("evaluating", $0, of: samples.count, "sequences")) }
      return losses
    }
    // Summed in the order of the data, whatever thread made which.
    let all = losses.flatMap(\.self)
    guard !all.isEmpty else {
      throw InputError(
        .invalidValue,
        at: "evaluation data",
        expected: "at least one label that counts",
        found: "none"
      )
    }
    let loss = all.reduce(0, +) / Double(all.count)
    return Evaluation(
      loss: loss,
      perplexity: exp(loss),
      targetTokens: all.count,
      seconds: (ContinuousClock.now - start) / .seconds(1)
    )
  }

  /// Positions whose logits are held at a time.
  private static let block = 512

  /// `−log softmax(logits)[label]` at each position whose label is not −100.
  private static func losses(
    _ model: any LanguageModel,
    _ sample: Sample
  ) throws(InputError) -> [Double] {
    let labels = sample.labels
    let vocabulary = 0..<model.vocabularySize
    for (row, label) in labels.enumerated()
    where label != Sample.ignoredLabel && !vocabulary.contains(label) {
      throw InputError(
        .invalidValue,
        at: "label \(row) of a sequence",
        expected: "an id in \(vocabulary), the model's vocabulary",
        found: "\(label)",
        remedy: "The data was tokenized for another model"
      )
    }
    let states = try model.states(input: sample.inputIDs, labels: labels)
    var losses: [Double] = []
    for first in stride(from: 0, to: labels.count, by: block) {
      let rows = (first..<min(labels.count, first + block)).filter {
        labels[$0] != Sample.ignoredLabel
      }
      guard !rows.isEmpty else { continue }
      var logits = try model.logits(states.gathering(rows))
      for (index, row) in rows.enumerated() {
        losses.append(logits.crossEntropy(row: index, label: labels[row]))
      }
    }
    return losses
  }
}

extension Matrix {
  /// `−log softmax(row)[label]`; the row's logits are spent afterwards.
  fileprivate mutating func crossEntropy(row: Int, label: Int) -> Double {
    let (first, columns) = (row * columns, columns)
    return elements.withUnsafeMutableBufferPointer { elements in
      let logits = UnsafeMutableBufferPointer(rebasing: elements[first..<first + columns])
      var best = 0
      for index in logits.indices where logits[index] > logits[best] { best = index }
      let distance = Double(logits[best]) - Double(logits[label])
      // The largest logit's probability is one over the sum of the exponentials of distances to it.
      KernelSet.active.softmax(logits)
      return distance - log(Double(logits[best]))
    }
  }
}
