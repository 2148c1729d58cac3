import Foundation
import HTTPTypes
import Hummingbird
import Serving

/// Gives all errors the form that the OpenAI interface has.
struct ErrorForm: RouterMiddleware {
  func handle(
    _ request: Request,
    context: ServerContext,
    next: (Request, ServerContext) async throws -> Response
  ) async throws -> Response {
    do {
      return try await next(request, context)
    } catch let error as APIError {
      return try response(error, context)
    } catch let error as HTTPError where error.status == .notFound {
      let message = "There is nothing at \(request.method) \(request.uri.path)."
      return try response(
        APIError(status: 404, message, type: "invalid_request_error", code: "unknown_url"),
        context
      )
    } catch let error as HTTPError {
      let message = error.body ?? error.status.reasonPhrase
      let type = error.status.code < 500 ? "invalid_request_error" : "server_error"
      return try response(APIError(status: error.status.code, message, type: type), context)
    } catch is CancellationError {
      // Whoever asked is gone.
      throw HTTPError(.init(code: 499))
    } catch {
      return try response(APIError(status: 500, "\(error)", type: "server_error"), context)
    }
  }

  private func response(_ error: APIError, _ context: ServerContext) throws -> Response {
    var response = try Response(json: error, status: .init(code: error.status))
    switch error.status {
    case 401: response.headers[.wwwAuthenticate] = "Bearer"
    case 429: response.headers[.retryAfter] = "1"
    case 408:
      // The rest of the body may take for ever.
      response.headers[.connection] = "close"
      let body = response.body
      response.body = ResponseBody(contentLength: body.contentLength) { output in
        try await body.write(output)
        context.channel.close(mode: .all, promise: nil)
      }
    default: break
    }
    return response
  }
}
