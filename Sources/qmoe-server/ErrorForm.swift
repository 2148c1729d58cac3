import Foundation
import HTTPTypes
import Hummingbird
import Serving

/// Gives all errors the form that the OpenAI interface has.
struct ErrorForm: RouterMiddleware {
  /// Paths to which something is sent; at all others something is got.
  let posts: [String]

  func handle(
    _ request: Request,
    context: ServerContext,
    next: (Request, ServerContext) async throws -> Response
  ) async throws -> Response {
    do {
      return try await next(request, context)
    } catch let error as APIError {
      return try response(error, request, context)
    } catch let error as HTTPError where error.status == .notFound {
      if posts.contains(request.uri.path) { return try wrongMethod(request, context) }
      let message = "There is nothing at \(request.method) \(request.uri.path)."
      return try response(
        APIError(status: 404, message, type: "invalid_request_error", code: "unknown_url"),
        request,
        context
      )
    } catch let error as HTTPError {
      let message = error.body ?? error.status.reasonPhrase
      let type = error.status.code < 500 ? "invalid_request_error" : "server_error"
      return try response(
        APIError(status: error.status.code, message, type: type),
        request,
        context
      )
    } catch is CancellationError {
      // Whoever asked is gone.
      throw HTTPError(.init(code: 499))
    } catch {
      return try response(APIError(status: 500, "\(error)", type: "server_error"), request, context)
    }
  }

  private func wrongMethod(_ request: Request, _ context: ServerContext) throws -> Response {
    let message = "\(request.uri.path) takes POST, not \(request.method)."
    var response = try response(
      APIError(status: 405, message, type: "invalid_request_error", code: "method_not_allowed"),
      request,
      context
    )
    response.headers[.allow] = "POST"
    return response
  }

  /// Seconds that a client has to read why it is not listened to any more.
  private static let secondsToClose: Int64 = 2

  private func response(
    _ error: APIError,
    _ request: Request,
    _ context: ServerContext
  ) throws -> Response {
    var response = try Response(json: error, status: .init(code: error.status))
    if request.method == .head { response.body = ResponseBody() }
    switch error.status {
    case 401: response.headers[.wwwAuthenticate] = "Bearer"
    case 429: response.headers[.retryAfter] = "1"
    case 408, 413:
      // The rest of the body may take for ever.
      response.headers[.connection] = "close"
      context.channel.eventLoop.scheduleTask(in: .seconds(Self.secondsToClose)) {
        context.channel.close(mode: .all, promise: nil)
      }
    default: break
    }
    return response
  }
}
