import Foundation
import TestSupport
import Testing

/// Generation and conversations with a decoder-only model, as scripts use them.
@Suite struct ChatTests {
  private let model = Fixtures.qwenMini.path

  private func generate(_ arguments: String) throws -> Program.Result {
    try Program.shell("$qmoe generate \(model) --exact --max-tokens 12 \(arguments)")
  }

  @Test func everySamplingOptionIsTaken() throws {
    let greedy = try generate("--prompt 'The function' --json").json()
    #expect((greedy["tokens"] as? [Int])?.count == 12)
    #expect(greedy["finish_reason"] as? String == "length")
    for option in ["--top-k 1", "--top-p 0.0001", "--min-p 1"] {
      let same = try generate("--prompt 'The function' --temperature 2 \(option) --json").json()
      #expect(same["text"] as? String == greedy["text"] as? String)
    }
    for option in ["--repetition-penalty 3", "--temperature 3 --seed 1"] {
      let other = try generate("--prompt 'The function' \(option) --json").json()
      #expect(other["text"] as? String != greedy["text"] as? String)
    }
  }

  @Test func speedsAreToldBesideTheText() throws {
    let result = try generate("--prompt 'The function'")
    #expect(result.status == 0 && result.output.hasSuffix("\n"))
    #expect(result.errors.contains("read ") && result.errors.contains("wrote 12, "))
    #expect(result.errors.components(separatedBy: "a second").count == 3)
  }

  @Test func stopStringsEndTheText() throws {
    let whole = try generate("--prompt 'The function returns'").output
    let first = whole.first { $0.isLetter }
    let letter = try #require(first)
    let stopped = try generate("--prompt 'The function returns' --stop '\(letter)' --stop '#no#'")
    #expect(stopped.output == whole.prefix { $0 != letter } + "\n")
  }

  @Test func longPromptsAreRefusedOrCut() throws {
    let long = String(repeating: "word ", count: 2500)
    let refused = try generate("--prompt '\(long)'")
    #expect(refused.status == 1 && refused.output.isEmpty)
    #expect(refused.errors.contains("2048") && refused.errors.contains("--prompt-window"))
    let cut = try generate("--prompt '\(long)' --prompt-window 100 --json").json()
    #expect(cut["prompt_tokens"] as? Int == 100)
    #expect(try generate("--prompt ''").status == 1)
  }

  @Test func aMessageIsWrittenByTheTemplate() throws {
    let chat = try generate("--chat --prompt 'Who?' --system 'Be brief.' --json").json()
    let text =
      "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWho?<|im_end|>\n"
      + "<|im_start|>assistant\n"
    let plain = try generate("--prompt '\(text)' --json").json()
    #expect(chat["prompt_tokens"] as? Int == plain["prompt_tokens"] as? Int)
    #expect(chat["tokens"] as? [Int] == plain["tokens"] as? [Int])
  }

  // MARK: - Conversations through a pipe

  private func chat(_ lines: String, _ arguments: String = "") throws -> Program.Result {
    let lines = lines.replacing("'", with: "'\\''")
    return try Program.shell(
      "printf '%s' '\(lines)' | $qmoe chat \(model) --exact --max-tokens 8 \(arguments)"
    )
  }

  private func answers(_ result: Program.Result) throws -> [[String: Any]] {
    let json = try result.json()
    return try #require(json["answers"] as? [[String: Any]])
  }

  @Test func linesAreMessages() throws {
    let result = try chat("Hello.\n\nWho is\\\nthat, ä?\n", "--json")
    let answers = try answers(result)
    #expect(result.status == 0 && answers.count == 2)
    let first = try generate("--chat --prompt 'Hello.' --max-tokens 8 --json").json()
    #expect(answers[0]["text"] as? String == first["text"] as? String)
    let streamed = try chat("Hello.\n\nWho is\\\nthat, ä?")
    #expect(streamed.output == answers.map { ($0["text"] as? String ?? "") + "\n" }.joined())
    #expect(streamed.errors.components(separatedBy: "wrote ").count == 3)
  }

  @Test func commandsAreObeyed() throws {
    let lines =
      "Hello.\n/reset\nHello.\n/system Be brief.\n/reset\nHello.\n/system\n/reset\nHello.\n"
    let result = try chat(lines + "/quit\nHello.", "--json")
    let answers = try answers(result)
    let counts = answers.compactMap { $0["prompt_tokens"] as? Int }
    #expect(counts.count == 4)
    #expect(counts[0] == counts[1] && counts[2] > counts[1] && counts[3] == counts[0])
    let helped = try chat("/help\n/nonsense\n")
    #expect(helped.status == 0 && helped.output.isEmpty)
    #expect(helped.errors.contains("/quit") && helped.errors.contains("/nonsense is no command"))
  }

  @Test func aConversationLongerThanTheContextGoesOn() throws {
    let long = String(repeating: "word ", count: 700)
    let result = try chat("\(long)\n\(long)\n\(long)\n")
    #expect(result.status == 0 && result.errors.contains("forgotten"))
    let refused = try chat(String(repeating: "word ", count: 2500) + "\n")
    #expect(refused.status == 1 && refused.errors.contains("2048"))
  }

  @Test func modelsThatAreNoChatModelsAreRefused() throws {
    let small = try SmallModel()
    for folder in [small.checkpoint.path, Fixtures.switchMini.path] {
      let result = try Program.shell("echo Hello | $qmoe chat \(folder)")
      #expect(result.status == 1 && result.output.isEmpty)
      #expect(result.errors.contains("qmoe generate"))
    }
    #expect(try Program.shell("echo Hello | $qmoe chat /nowhere").status == 1)
  }
}
