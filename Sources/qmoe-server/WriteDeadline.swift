import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore

/// Closes connections whose clients do not read what they asked for: they would hold it, and the end of the server.
struct WriteDeadline: RouterMiddleware {
  /// Seconds in which a client must have read something.
  private static let seconds: Int64 = 30

  /// A writer that has so long for each part.
  private struct Writer: ResponseBodyWriter {
    var output: any ResponseBodyWriter
    let channel: any Channel

    mutating func write(_ buffer: ByteBuffer) async throws {
      let deadline = deadline()
      defer { deadline.cancel() }
      try await output.write(buffer)
    }

    consuming func finish(_ trailers: HTTPFields?) async throws {
      let deadline = deadline()
      defer { deadline.cancel() }
      try await output.finish(trailers)
    }

    private func deadline() -> Scheduled<Void> {
      let channel = channel
      return channel.eventLoop.scheduleTask(in: .seconds(WriteDeadline.seconds)) {
        channel.close(mode: .all, promise: nil)
      }
    }
  }

  func handle(
    _ request: Request,
    context: ServerContext,
    next: (Request, ServerContext) async throws -> Response
  ) async throws -> Response {
    var response = try await next(request, context)
    let body = response.body
    response.body = ResponseBody(contentLength: body.contentLength) { output in
      try await body.write(Writer(output: output, channel: context.channel))
    }
    return response
  }
}
