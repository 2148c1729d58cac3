import Foundation
import Hummingbird
import Models
import NIOCore
import Serving

/// What the server answers at which path.
struct Routes: Sendable {
  let service: OpenAIService
  let engine: Engine
  /// The cache of the model's experts, if it has one.
  let cache: ExpertCache?
  /// The picture of the model.
  let figures: Figures
  /// What requests must name; `nil` if all get in.
  let key: String?
  /// Bytes of a request's body at most.
  let largestBody: Int
  let disconnections = Disconnections()

  func router() -> Router<ServerContext> {
    let router = Router(context: ServerContext.self, options: .autoGenerateHeadEndpoints)
    router.add(middleware: WriteDeadline())
    router.add(middleware: ErrorForm(posts: [Self.completions, Self.chats]))
    if let key { router.add(middleware: Authorization(key: key, open: ["/", "/health"])) }
    router.get("/") { _, _ in Self.page }
    router.get("/health") { _, _ in try Response(json: ["status": "ok"]) }
    router.get("/metrics") { [engine, cache] _, _ in
      let text = Metrics.text(engine.statistics, cache: cache?.statistics)
      return Response(text, type: Metrics.contentType)
    }
    router.get("/figures") { [figures] _, _ in
      Response(try await figures.html(), type: "text/html; charset=utf-8")
    }
    router.get("/v1/models") { [service] _, _ in try Response(json: service.models) }
    router.get("/v1/models/**") { [service] request, _ in
      // Names may have slashes.
      let name = request.uri.path.dropFirst("/v1/models/".count).removingPercentEncoding ?? ""
      return try Response(json: service.model(name))
    }
    router.post("\(Self.completions)") { try await answer(.completion, $0, $1) }
    router.post("\(Self.chats)") { try await answer(.chat, $0, $1) }
    return router
  }

  private static let completions = "/v1/completions"
  private static let chats = "/v1/chat/completions"

  private static let page = Response(
    String(decoding: PackageResources.page_html, as: UTF8.self),
    type: "text/html; charset=utf-8"
  )

  private func answer(
    _ kind: OpenAIService.Job.Kind,
    _ request: Request,
    _ context: ServerContext
  ) async throws -> Response {
    let body = try await RequestReader(limit: largestBody).body(of: request, context)
    let job = try service.job(kind, body)
    let texts = try engine.submit(job)
    let writer = AnswerWriter(service, job)
    disconnections.watch(context.channel) { [engine] in
      for text in texts { engine.cancel(text.id) }
    }
    guard job.streams else {
      defer { disconnections.forget(context.channel) }
      return Response(data: try await writer.answer(texts), type: "application/json")
    }
    let events = writer.events(texts)
    return Response(
      status: .ok,
      headers: [.contentType: "text/event-stream", .cacheControl: "no-cache"],
      body: ResponseBody { output in
        defer { disconnections.forget(context.channel) }
        for try await event in events { try await output.write(ByteBuffer(string: event)) }
        try await output.finish(nil)
      }
    )
  }
}

extension Response {
  init(data: Data, status: HTTPResponse.Status = .ok, type: String) {
    self.init(
      status: status,
      headers: [.contentType: type, .xContentTypeOptions: "nosniff"],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: data))
    )
  }

  init(_ text: String, type: String) { self.init(data: Data(text.utf8), type: type) }

  init(json value: some Encodable, status: HTTPResponse.Status = .ok) throws {
    self.init(data: try responseJSON(value), status: status, type: "application/json")
  }
}
