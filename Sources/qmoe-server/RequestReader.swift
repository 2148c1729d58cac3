import Foundation
import Hummingbird
import NIOCore
import Serving

/// Reads the bodies of requests, as long as they are not too large and not too slow.
struct RequestReader {
  /// Bytes at most.
  let limit: Int

  /// Seconds for a whole body.
  private static let seconds = 30

  /// The body of `request`.
  ///
  /// - Throws: `APIError` if it is too large or too slow, or its client goes away.
  func body(of request: Request, _ context: ServerContext) async throws -> Data {
    if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > limit {
      throw tooLarge
    }
    return try await withThrowingTaskGroup(of: Data?.self) { group in
      group.addTask { try await collect(request.body) }
      group.addTask {
        try await Task.sleep(for: .seconds(Self.seconds))
        return nil
      }
      defer { group.cancelAll() }
      guard let body = try await group.next() ?? nil else {
        throw APIError(
          status: 408,
          "The body of the request did not come within \(Self.seconds) seconds.",
          type: "invalid_request_error",
          code: "request_timeout"
        )
      }
      return body
    }
  }

  private func collect(_ body: RequestBody) async throws -> Data {
    var data = Data()
    for try await part in body {
      guard data.count + part.readableBytes <= limit else { throw tooLarge }
      data.append(contentsOf: part.readableBytesView)
    }
    return data
  }

  private var tooLarge: APIError {
    APIError(
      status: 413,
      "The body of the request is larger than \(limit) bytes, the limit of this server.",
      type: "invalid_request_error",
      code: "request_too_large"
    )
  }
}
