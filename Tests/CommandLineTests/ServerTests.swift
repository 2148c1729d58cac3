import Foundation
import TestSupport
import Testing

/// The server's program, asked as clients ask it.
@Suite struct ServerTests {
  private static let completion =
    #"{"prompt": "And it came to pass", "max_tokens": 8, "temperature": 0}"#
  private static let endless =
    #"{"prompt": "And it came to pass", "max_tokens": 2000, "temperature": 1.5, "stream": true}"#

  private func post(_ body: String, _ path: String = "/v1/completions") -> String {
    "POST \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
  }

  private func json(_ text: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  private func error(_ text: String) throws -> [String: Any] {
    try #require(try json(text)["error"] as? [String: Any])
  }

  @Test func itAnswers() throws {
    let server = try RunningServer(tool: true)
    #expect(try server.ask("/health").body == #"{"status":"ok"}"#)
    let models = try #require(try json(server.ask("/v1/models").body)["data"] as? [[String: Any]])
    #expect(models.first?["id"] as? String == "mini" && models.first?["experts"] as? Int == 16)
    #expect(try json(server.ask("/v1/models/mini").body)["object"] as? String == "model")
    #expect(try server.ask("/v1/models/other").status == 404)
    let page = try server.ask("/")
    #expect(page.status == 200 && page.head.contains("text/html") && page.body.contains("</html>"))
    #expect(!page.body.contains("http:") && !page.body.contains("https:"))
    let answer = try server.ask("/v1/completions", Self.completion)
    let choices = try #require(try json(answer.body)["choices"] as? [[String: Any]])
    let told = try Program.run(
      "generate",
      Fixtures.qwenMini.path,
      "--prompt",
      "And it came to pass",
      "--max-tokens",
      "8",
      "--json"
    )
    #expect(choices.first?["text"] as? String == (try told.json()["text"] as? String))
    let chat = try server.ask(
      "/v1/chat/completions",
      #"{"messages": [{"role": "user", "content": "Who?"}], "max_tokens": 3, "stream": true}"#
    )
    #expect(chat.head.contains("text/event-stream") && chat.body.contains("data: [DONE]"))
    let figures = try server.ask("/figures")
    #expect(figures.status == 200 && figures.body.contains("<section class=\"picture\">"))
    let unknown = try server.ask("/v1/nothing")
    #expect(try unknown.status == 404 && error(unknown.body)["code"] as? String == "unknown_url")
    server.terminate()
    #expect(server.status() == 0)
  }

  @Test func aKeyIsNeededWhereThereIsOne() throws {
    let server = try RunningServer("--api-key", "a secret", "--name", "org/a model")
    for path in ["/v1/models", "/metrics", "/v1/nothing"] {
      let answer = try server.ask(path)
      #expect(
        try answer.status == 401 && error(answer.body)["code"] as? String == "invalid_api_key"
      )
    }
    for wrong in ["Bearer a secre", "Bearer a secretx", "a secret", "Bearer ", "Basic a secret"] {
      #expect(try server.ask("/v1/models", headers: "Authorization: \(wrong)\r\n").status == 401)
    }
    #expect(try server.ask("/v1/completions", Self.completion).status == 401)
    for path in ["/v1/models", "/v1/models/org/a%20model", "/v1/models/org%2Fa%20model"] {
      let answer = try server.ask(path, headers: "Authorization: Bearer a secret\r\n")
      #expect(answer.status == 200, "\(path)")
    }
    #expect(try server.ask("/health").status == 200 && server.ask("/").status == 200)
  }

  @Test func badRequestsGetErrorsInForm() throws {
    let server = try RunningServer("--largest-body", "2000")
    let large = String(repeating: "x", count: 3000)
    for (answer, status) in [
      (try server.ask("/v1/completions", large), 413),
      (try server.ask("/v1/completions", "{"), 400), (try server.ask("/v1/completions", ""), 400),
      (try server.ask("/v1/chat/completions", "[[[[[[[["), 400),
      (try server.ask("/v1/completions", #"{"prompt": "a", "n": "b"}"#), 400),
      (try server.ask("/v1/completions"), 405), (try server.ask("/v1/models/a/b%20c"), 404),
    ] {
      #expect(try answer.status == status && error(answer.body)["message"] is String, "\(answer)")
    }
    // A body of unknown length that is too large.
    let chunks = String(
      repeating: "800\r\n" + String(repeating: "y", count: 0x800) + "\r\n",
      count: 2
    )
    let head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    let chunked = try server.exchange(head + "Transfer-Encoding: chunked\r\n\r\n\(chunks)0\r\n\r\n")
    #expect(chunked.hasPrefix("HTTP/1.1 413"))
    #expect(try server.exchange("nonsense\r\n\r\n").hasPrefix("HTTP/1.1 400"))
    // Answers to HEAD have no body.
    for (path, status) in [("/health", 200), ("/nothing", 404)] {
      let answer = try server.exchange(
        "HEAD \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
      )
      #expect(answer.hasPrefix("HTTP/1.1 \(status)") && answer.hasSuffix("\r\n\r\n"))
    }
    // Clients that go away in the middle of what they send.
    for part in ["P", "POST /v1/completions HTTP/1.1\r\n", post("{}").dropLast(1) + ""] {
      try Connection(port: server.port).send(part)
    }
    #expect(try server.ask("/health").status == 200)
  }

  @Test func aClientThatGoesAwayEndsItsText() throws {
    let server = try RunningServer("--parallel", "1", "--queue", "7")
    // Eight texts, one after another: they do not end by themselves so soon.
    let endless = Self.endless.replacing("{", with: #"{"n": 8, "#)
    for ends in 0..<3 {
      let taken = try server.textsTaken()
      var connection: Connection? = try Connection(port: server.port)
      connection?.send(post(ends == 2 ? endless.replacing("true", with: "false") : endless))
      if ends < 2 { #expect(connection?.read(until: "data: ").contains("200 OK") == true) }
      #expect(try server.waits { try server.textsTaken() == taken + 8 })
      if ends == 1 { connection?.finish() } else { connection = nil }
      #expect(try server.becomesIdle(), "\(ends)")
    }
    let cancelled = try #require(try server.metric(#"qmoe_texts_total{outcome="cancelled"}"#))
    #expect(cancelled >= 3 * 5)
    #expect(try server.ask("/v1/completions", Self.completion).status == 200)
  }

  @Test func whatFindsNoPlaceIsRefused() throws {
    let server = try RunningServer("--parallel", "1", "--queue", "0")
    var running: Connection? = try Connection(port: server.port)
    running?.send(post(Self.endless))
    _ = running?.read(until: "data: ")
    let answer = try server.ask("/v1/completions", Self.completion)
    #expect(answer.status == 429 && answer.head.lowercased().contains("retry-after"))
    #expect(try error(answer.body)["code"] as? String == "queue_full")
    running = nil
    #expect(try server.becomesIdle())
    #expect(try server.ask("/v1/completions", Self.completion).status == 200)
  }

  @Test func whatRunsIsFinishedBeforeTheServerEnds() throws {
    let server = try RunningServer("--parallel", "2")
    let connections = try (0..<4).map { _ in try Connection(port: server.port) }
    for connection in connections {
      connection.send(post(Self.endless.replacing("2000", with: "300")))
    }
    #expect(try server.waits { try server.textsTaken() == 4 })
    server.terminate()
    for connection in connections { #expect(connection.rest().contains("data: [DONE]")) }
    #expect(server.status() == 0)
  }

  @Test func badOptionsAreRefused() throws {
    let folder = Fixtures.qwenMini.path
    for (arguments, status) in [
      (["--port", "70000"], 64), (["--parallel", "0"], 64), (["--parallel", "33"], 64),
      (["--nonsense"], 64), (["--context", "1"], 64), (["--api-key", ""], 64),
      (["--context", "1000000"], 1), (["--chat-template", "/nothing"], 1),
      (["--host", "999.1.1.1"], 1),
    ] as [([String], Int32)] {
      let words = arguments.map { "'\($0)'" }.joined(separator: " ")
      let result = try Program.shell("\"$qmoe\" serve '\(folder)' --port 0 \(words)")
      #expect(result.status == status && !result.errors.isEmpty, "\(arguments): \(result)")
    }
    #expect(try Program.run("serve", "/nothing").status == 1)
    let server = try RunningServer()
    let second = try Program.run("serve", folder, "--port", "\(server.port)")
    #expect(second.status == 1 && second.errors.contains("--port"))
  }
}
