import Hummingbird
import Serving

/// Lets only those in who know the key.
struct Authorization: RouterMiddleware {
  let key: String
  /// Paths that are open to all.
  let open: Set<String>

  func handle(
    _ request: Request,
    context: ServerContext,
    next: (Request, ServerContext) async throws -> Response
  ) async throws -> Response {
    guard open.contains(request.uri.path) || isKnown(request.headers[.authorization]) else {
      throw APIError(
        status: 401,
        "This server needs an API key: send the header 'Authorization: Bearer KEY'.",
        type: "invalid_request_error",
        code: "invalid_api_key"
      )
    }
    return try await next(request, context)
  }

  private func isKnown(_ header: String?) -> Bool {
    let prefix = "bearer "
    guard let header, header.lowercased().hasPrefix(prefix) else { return false }
    let word = header.dropFirst(prefix.count).drop { $0 == " " }
    let (given, expected) = (Array(word.utf8), Array(key.utf8))
    // As long for a key that begins well as for any other.
    var difference = given.count ^ expected.count
    for (index, byte) in given.enumerated() {
      difference |= Int(byte ^ expected[index % expected.count])
    }
    return difference == 0
  }
}
