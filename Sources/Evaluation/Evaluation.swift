import Corpus
import Diagnostics
import Foundation
import Kernels
import Models
import Ranks
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
  /// - Parameters:
  ///   - model: what is evaluated.
  ///   - samples: inputs with labels.
  ///   - workers: so many sequences are evaluated side by side.
  ///   - ranks: they take turns, so that each has a sequence of its own in each round; one thread each.
  ///   - progress: is told how far it is.
  /// - Returns: the mean loss over all labels that count.
  /// - Throws: `InputError` if no label counts, an id is out of range, or weights are damaged.
  public static func run(
    _ model: any LanguageModel,
    on samples: [Sample],
    workers: Workers,
    ranks: Ranks = .alone,
    progress: @escaping ProgressReport.Handler
  ) throws(InputError) -> Evaluation {
    let start = ContinuousClock.now
    // First of all, so that no rank stops in the midst of a round.
    try ranks.agree { () throws(InputError) in
      for (index, sample) in samples.enumerated() { try check(sample, index, model) }
    }
    let (count, done) = (samples.count, Counter())
    let rounds = (count + ranks.count - 1) / ranks.count
    let workers = ranks.count > 1 ? Workers(count: 1) : workers
    let own = try workers.map(rounds) { (round) throws(InputError) -> [Double] in
      // In the last round some ranks have nothing to do, but the others need their experts.
      let index = min(round * ranks.count + ranks.index, count - 1)
      let losses = try Self.losses(model, samples[index])
      done.add {
        progress(
          ProgressReport("evaluating", min(count, $0 * ranks.count), of: count, "sequences")
        )
      }
      return losses
    }
    // Summed in the order of the data, whatever thread or rank made which.
    let ofRanks = ranks.gather(own)
    let all = (0..<count).flatMap { ofRanks[$0 % ranks.count][$0 / ranks.count] }
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

  /// Checks that `model` can read `sample`.
  private static func check(
    _ sample: Sample,
    _ index: Int,
    _ model: any LanguageModel
  ) throws(InputError) {
    try model.requireContext(
      for: sample.inputIDs.count,
      at: "sequence \(index + 1) of the data",
      remedy: "Cut the sequences shorter, or give text, which is cut into windows"
    )
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
  }

  /// `−log softmax(logits)[label]` at each position whose label is not −100.
  private static func losses(
    _ model: any LanguageModel,
    _ sample: Sample
  ) throws(InputError) -> [Double] {
    let labels = sample.labels
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
