import ChatTemplates
import Foundation
import Generation
import Models
import Serving
import Tensors
import TestSupport
import Testing
import Tokenization

/// Requests and answers of the OpenAI interface.
@Suite struct OpenAITests {
  private let service: OpenAIService
  private let engine: Engine

  init() throws {
    let tokenizer = try Tokenizer(folder: Fixtures.qwenMini)
    let model = try ModelLoader.load(Fixtures.qwenMini, execution: .fused(Workers(count: 2)))
    let template = try ChatTemplate(
      "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
        + "{% if add_generation_prompt %}assistant:{% endif %}",
      place: "test"
    )
    service = OpenAIService(
      model,
      tokenizer,
      name: "mini",
      format: try ChatFormat(template, tokenizer),
      context: 64,
      mostTexts: 68
    )
    engine = Engine(model, tokenizer, limits: .init(parallel: 4, queue: 64, prefixes: 2))
  }

  private func job(_ kind: OpenAIService.Job.Kind, _ body: String) throws(APIError)
    -> OpenAIService.Job
  {
    try service.job(kind, Data(body.utf8))
  }

  private static let bad: [(body: String, parameter: String?, code: String?)] = [
    ("", nil, "invalid_json"), ("{", nil, "invalid_json"), ("[]", nil, "invalid_type"),
    ("null", nil, "invalid_type"), ("{}", "prompt", "missing_required_parameter"),
    (#"{"prompt": null}"#, "prompt", nil), (#"{"prompt": 3}"#, "prompt", "invalid_type"),
    (#"{"prompt": {"a": 1}}"#, "prompt", "invalid_type"), (#"{"prompt": []}"#, "prompt", nil),
    (#"{"prompt": [[]]}"#, "prompt", nil), (#"{"prompt": [1, "a"]}"#, "prompt", "invalid_type"),
    (#"{"prompt": [4096000]}"#, "prompt", nil), (#"{"prompt": [-1]}"#, "prompt", nil),
    (#"{"prompt": "a", "max_tokens": 0}"#, "max_tokens", nil),
    (#"{"prompt": "a", "max_tokens": -5}"#, "max_tokens", nil),
    (#"{"prompt": "a", "max_tokens": 64}"#, "max_tokens", "context_length_exceeded"),
    (
      #"{"prompt": "a", "max_tokens": 9223372036854775807}"#, "max_tokens",
      "context_length_exceeded"
    ),
    (#"{"prompt": "a", "max_tokens": 1e99}"#, nil, nil),
    (#"{"prompt": "a", "max_tokens": 1.5}"#, nil, nil),
    (#"{"prompt": "a", "max_tokens": "5"}"#, "max_tokens", "invalid_type"),
    (#"{"prompt": "a", "temperature": -1}"#, "temperature", nil),
    (#"{"prompt": "a", "temperature": "hot"}"#, "temperature", "invalid_type"),
    (#"{"prompt": "a", "top_p": 0}"#, "top_p", nil),
    (#"{"prompt": "a", "top_k": -7}"#, "top_k", nil),
    (#"{"prompt": "a", "min_p": 2}"#, "min_p", nil),
    (#"{"prompt": "a", "repetition_penalty": 0}"#, "repetition_penalty", nil),
    (#"{"prompt": "a", "n": 0}"#, "n", nil), (#"{"prompt": "a", "n": 129}"#, "n", nil),
    (#"{"prompt": "a", "stop": ""}"#, "stop", nil),
    (#"{"prompt": "a", "stop": 5}"#, "stop", "invalid_type"),
    (#"{"prompt": "a", "logprobs": 6}"#, "logprobs", nil),
    (#"{"prompt": "a", "echo": true}"#, "echo", "unsupported"),
    (#"{"prompt": "a", "suffix": "b"}"#, "suffix", "unsupported"),
    (#"{"prompt": "a", "best_of": 2}"#, "best_of", "unsupported"),
    (#"{"prompt": "a", "presence_penalty": 1}"#, "presence_penalty", "unsupported"),
    (#"{"prompt": "a", "frequency_penalty": 1}"#, "frequency_penalty", "unsupported"),
    (#"{"prompt": "a", "logit_bias": {"5": 1}}"#, "logit_bias", "unsupported"),
    (
      #"{"prompt": "a", "response_format": {"type": "json_object"}}"#, "response_format",
      "unsupported"
    ),
    (#"{"prompt": "a", "stream": "yes"}"#, "stream", "invalid_type"),
    (#"{"prompt": "a", "model": "other"}"#, "model", "model_not_found"),
  ]

  @Test func badCompletionsAreRefusedInForm() throws {
    for (body, parameter, code) in Self.bad {
      do throws(APIError) {
        _ = try job(.completion, body)
        Issue.record("taken: \(body)")
      } catch {
        #expect(error.status == (code == "model_not_found" ? 404 : 400), "\(body)")
        #expect(!error.message.isEmpty && error.type == "invalid_request_error", "\(body)")
        if let parameter { #expect(error.parameter == parameter, "\(body)") }
        if let code { #expect(error.code == code, "\(body): \(error.message)") }
        let object = try JSONSerialization.jsonObject(with: JSONEncoder().encode(error))
        let fields = try #require((object as? [String: Any])?["error"] as? [String: Any])
        #expect(Set(fields.keys) == ["message", "type", "param", "code"])
      }
    }
  }

  @Test func badChatsAreRefusedInForm() throws {
    let ask = #""messages": [{"role": "user", "content": "a"}]"#
    let bad: [(body: String, parameter: String?)] = [
      ("{}", "messages"), (#"{"messages": []}"#, "messages"), (#"{"messages": "a"}"#, "messages"),
      (#"{"messages": [{"content": "a"}]}"#, "messages[0].role"),
      (#"{"messages": [{"role": "user", "content": 5}]}"#, "messages[0].content"),
      (
        #"{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}"#,
        "messages[0].content"
      ),
      ("{\(ask), \"tools\": [{}]}", "tools"), ("{\(ask), \"functions\": [{}]}", "functions"),
      ("{\(ask), \"top_logprobs\": 3}", "top_logprobs"),
      ("{\(ask), \"logprobs\": true, \"top_logprobs\": 21}", "top_logprobs"),
      ("{\(ask), \"max_completion_tokens\": 100}", "max_completion_tokens"),
      ("{\(ask), \"logprobs\": 1}", "logprobs"),
    ]
    for (body, parameter) in bad {
      do throws(APIError) {
        _ = try job(.chat, body)
        Issue.record("taken: \(body)")
      } catch {
        #expect(error.status == 400 && error.parameter == parameter, "\(body): \(error)")
      }
    }
    let long = String(repeating: "word ", count: 100)
    #expect(throws: APIError.self) {
      try job(.chat, #"{"messages": [{"role": "user", "content": "\#(long)"}]}"#)
    }
  }

  /// However many there are, nothing is made of them.
  @Test func moreTextsThanFitAreRefused() throws {
    for (prompts, n) in [(2, 35), (69, 1), (100_000, 128)] {
      let list = Array(repeating: "\"a\"", count: prompts).joined(separator: ",")
      do throws(APIError) {
        _ = try job(.completion, "{\"prompt\": [\(list)], \"n\": \(n)}")
        Issue.record("taken: \(prompts) times \(n)")
      } catch {
        #expect(error.status == 400 && error.parameter == "n")
      }
    }
    #expect(try job(.completion, #"{"prompt": ["a", "b"], "n": 34}"#).texts.count == 68)
  }

  /// Nesting that would overflow a stack is an error like any other.
  @Test func deepNestingIsRefused() throws {
    for (open, close) in [("[", "]"), (#"{"a":"#, "}")] {
      let deep =
        String(repeating: open, count: 100_000) + "1" + String(repeating: close, count: 100_000)
      #expect(throws: APIError.self) { try job(.completion, #"{"prompt": \#(deep)}"#) }
      #expect(throws: APIError.self) { try job(.chat, #"{"messages": \#(deep)}"#) }
      #expect(throws: APIError.self) { try job(.chat, deep) }
    }
  }

  @Test func requestsAreUnderstood() throws {
    let two = try job(
      .completion,
      #"{"prompt": ["a", "And it"], "n": 2, "max_tokens": 7, "stop": ["x", "y"], "seed": 5, "logprobs": 2, "top_k": -1}"#
    )
    #expect(two.texts.count == 4 && two.prompts == 2 && !two.streams)
    #expect(two.texts.map(\.limit) == [7, 7, 7, 7])
    #expect(two.texts[0].input == two.texts[1].input && two.texts[1].input != two.texts[2].input)
    #expect(two.promptTokens == two.texts[0].input.count + two.texts[2].input.count)
    #expect(two.texts.map(\.settings.seed) == [5, 6, 5, 6])
    #expect(two.texts[3].stops == ["x", "y"] && two.texts[3].topScores == 2)
    #expect(two.texts[3].settings.topK == nil && two.texts[3].settings.temperature == 1)
    let usual = try job(
      .completion,
      #"{"prompt": [5, 6, 7], "model": "mini", "user": "u", "stop": null}"#
    )
    #expect(usual.texts[0].input == [5, 6, 7] && usual.texts[0].limit == 16)
    let chat = try job(
      .chat,
      #"""
      {"messages": [{"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "A "}, {"type": "text", "text": "B"}]},
        {"role": "assistant", "content": null}], "stream": true, "stream_options": {"include_usage": true},
        "temperature": 0, "logprobs": true, "experts": true}
      """#
    )
    let read = try service.tokenizer.decode(chat.texts[0].input)
    #expect(read == "system: Be brief.\nuser: A B\nassistant: \nassistant:")
    #expect(chat.streams && chat.streamsUsage && chat.tellsExperts && chat.texts[0].topScores == 0)
    #expect(chat.texts[0].limit == 64 - chat.texts[0].input.count)
  }

  private func object(_ data: Data) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
  }

  /// The pieces of an answer are together the whole one.
  @Test(arguments: [
    (OpenAIService.Job.Kind.completion, #""prompt": ["And it came", "The king"], "logprobs": 3"#),
    (
      .chat,
      #""messages": [{"role": "user", "content": "Who?"}], "n": 2, "logprobs": true, "top_logprobs": 2"#
    ),
  ])
  func piecesAreTheWhole(kind: OpenAIService.Job.Kind, fields: String) async throws {
    let settings = #""max_tokens": 12, "seed": 3, "temperature": 0.8"#
    let whole = try job(kind, "{\(fields), \(settings)}")
    let answer = try object(try await AnswerWriter(service, whole).answer(engine.submit(whole)))
    let pieces = try job(
      kind,
      "{\(fields), \(settings), \"stream\": true, \"stream_options\": {\"include_usage\": true}}"
    )
    var events: [[String: Any]] = []
    var isDone = false
    for try await event in AnswerWriter(service, pieces).events(try engine.submit(pieces)) {
      #expect(!isDone && event.hasPrefix("data: ") && event.hasSuffix("\n\n"))
      let data = event.dropFirst(6).dropLast(2)
      if data == "[DONE]" { isDone = true } else { events.append(try object(Data(data.utf8))) }
    }
    #expect(isDone)
    let usage = try #require(events.last?["usage"] as? [String: Any])
    #expect((events.last?["choices"] as? [Any])?.isEmpty == true)
    let wholeUsage = try #require(answer["usage"] as? [String: Any])
    for field in ["prompt_tokens", "completion_tokens", "total_tokens"] {
      #expect(usage[field] as? Int == wholeUsage[field] as? Int && usage[field] != nil)
    }
    let choices = try #require(answer["choices"] as? [[String: Any]])
    #expect(choices.count == 2)
    for (index, choice) in choices.enumerated() {
      let parts = events.compactMap { ($0["choices"] as? [[String: Any]])?.first }
        .filter { $0["index"] as? Int == index }
      let text = parts.compactMap {
        ($0["text"] ?? ($0["delta"] as? [String: Any])?["content"]) as? String
      }.joined()
      let expected =
        (choice["text"] ?? (choice["message"] as? [String: Any])?["content"]) as? String
      #expect(text == expected && !text.isEmpty)
      #expect(
        parts.compactMap { $0["finish_reason"] as? String } == [choice["finish_reason"] as? String]
      )
      let name = kind == .chat ? "content" : "tokens"
      let scores = (choice["logprobs"] as? [String: Any])?[name] as? [Any]
      let told = parts.reduce(0) {
        $0 + ((($1["logprobs"] as? [String: Any])?[name] as? [Any])?.count ?? 0)
      }
      #expect(scores?.count == told && told > 0)
    }
    #expect(Set(events.compactMap { $0["id"] as? String }).count == 1)
    await engine.close()
  }

  @Test func metricsAreWellFormed() async throws {
    let job = try job(.completion, #"{"prompt": "a", "max_tokens": 3, "temperature": 0}"#)
    _ = try await AnswerWriter(service, job).answer(engine.submit(job))
    await engine.close()
    let lines = Metrics.text(engine.statistics).split(separator: "\n")
    #expect(lines.contains("qmoe_tokens_total 3") && lines.contains("qmoe_texts_running 0"))
    #expect(lines.contains(#"qmoe_texts_total{outcome="length"} 1"#))
    #expect(lines.contains("qmoe_text_seconds_count 1"))
    #expect(lines.contains(#"qmoe_text_seconds_bucket{le="+Inf"} 1"#))
    for line in lines where !line.hasPrefix("#") {
      #expect(line.split(separator: " ").count == 2 && Double(line.split(separator: " ")[1]) != nil)
    }
  }
}
