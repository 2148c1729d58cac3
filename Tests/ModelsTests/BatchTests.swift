import Foundation
import Models
import Tensors
import TestSupport
import Testing

/// Sequences that are written together, one token of each at a time.
@Suite struct BatchTests {
  static let folders: [String] = {
    let variants = ["decoder-variants", "switch-variants"].flatMap { group in
      Folders.list(in: Fixtures.folder.appending(path: group))
    }
    return [Fixtures.qwenMini.path, Fixtures.switchMini.path] + variants
  }()

  @Test func thereAreModelsOfAllKinds() { #expect(Self.folders.count >= 25) }

  /// Each gets the logits, to the bit, that it gets alone, whatever others are beside it and whenever these
  /// come and go.
  @Test(arguments: folders) func eachGetsWhatItGetsAlone(folder: String) throws {
    try check(ModelLoader.load(URL(filePath: folder), execution: .fused(Workers(count: 2))))
  }

  private func check<Model: LanguageModel>(_ model: Model) throws {
    func token(_ sequence: Int, _ step: Int) -> Int {
      (sequence * 13 + step * 7 + 5) % model.vocabularySize
    }
    let steps = 6
    let prompts = (0..<5).map { sequence in (0...sequence * 2).map { token(sequence, $0 + 50) } }
    let alone = try prompts.enumerated().map { sequence, prompt in
      var (session, _) = try model.begin(prompt)
      return try (0..<steps).map { try session.advance([token(sequence, $0)]) }
    }
    // The sequences come one after another, and the first one leaves in the middle.
    var running: [(sequence: Int, step: Int, session: Model.Session)] = []
    for round in 0..<prompts.count + steps {
      if round < prompts.count {
        running.append((round, 0, try model.begin(prompts[round]).session))
      }
      if round == 3 { running.removeFirst() }
      var sessions = running.map(\.session)
      let ids = running.map { token($0.sequence, $0.step) }
      let (logits, routes) = try Model.Session.advance(&sessions, ids)
      for index in running.indices {
        let (sequence, step, _) = running[index]
        #expect(Array(logits[row: index]) == alone[sequence][step], "\(sequence) at \(step)")
        running[index].session = sessions[index]
        running[index].step += 1
      }
      #expect(routes.count <= model.mixtures.count)
      #expect(!model.continuesInput || ids.isEmpty || routes.count == model.mixtures.count)
      for routes in routes {
        #expect(routes.choices.allSatisfy { $0.allSatisfy { running.indices.contains($0.token) } })
      }
      running.removeAll { $0.step == steps }
    }
    #expect(running.isEmpty)
  }
}

/// The folders of a folder.
private enum Folders {
  static func list(in folder: URL) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return names.filter { !$0.contains(".") }.sorted().map { folder.appending(path: $0).path }
  }
}
