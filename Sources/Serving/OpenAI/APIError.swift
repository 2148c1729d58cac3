import Diagnostics

/// An error as the OpenAI interface tells it.
public struct APIError: Error, Sendable, Encodable {
  /// Status of the HTTP response.
  public var status: Int
  /// What is wrong.
  public var message: String
  /// What kind of error it is.
  public var type: String
  /// The field of the request that is wrong.
  public var parameter: String?
  /// A word for programs.
  public var code: String?

  /// An error as the properties tell.
  public init(
    status: Int,
    _ message: String,
    type: String,
    parameter: String? = nil,
    code: String? = nil
  ) {
    (self.status, self.message, self.type) = (status, message, type)
    (self.parameter, self.code) = (parameter, code)
  }

  private enum CodingKeys: String, CodingKey {
    case error
  }

  private enum ErrorKeys: String, CodingKey {
    case message, type, param, code
  }

  /// `{"error": {"message": …, "type": …, "param": …, "code": …}}`
  public func encode(to encoder: any Encoder) throws {
    var object = encoder.container(keyedBy: CodingKeys.self)
    var error = object.nestedContainer(keyedBy: ErrorKeys.self, forKey: .error)
    try error.encode(message, forKey: .message)
    try error.encode(type, forKey: .type)
    try error.encode(parameter, forKey: .param)
    try error.encode(code, forKey: .code)
  }
}

extension APIError {
  /// A field of the request cannot be used.
  public static func invalid(
    _ message: String,
    _ parameter: String? = nil,
    code: String? = nil
  ) -> APIError {
    APIError(
      status: 400,
      message,
      type: "invalid_request_error",
      parameter: parameter,
      code: code
    )
  }

  /// A field of the request asks for what is not there.
  static func unsupported(_ parameter: String, _ what: String) -> APIError {
    invalid("\(parameter): \(what) not supported by this server.", parameter, code: "unsupported")
  }

  /// The prompt, with what is to be written, is longer than the context.
  static func contextLength(
    _ limit: Int,
    prompt: Int,
    tokens: Int,
    _ parameter: String
  ) -> APIError {
    invalid(
      "This model's context is \(limit) tokens; the prompt has \(prompt), and \(tokens) are to be "
        + "written. Shorten the prompt or ask for fewer tokens.",
      parameter,
      code: "context_length_exceeded"
    )
  }

  /// Too many texts wait.
  static func full(waiting: Int) -> APIError {
    APIError(
      status: 429,
      "The queue is full: up to \(waiting) texts may wait. Try again later.",
      type: "rate_limit_error",
      code: "queue_full"
    )
  }

  /// The server ends.
  static let closing = APIError(
    status: 503,
    "The server is being shut down.",
    type: "server_error",
    code: "shutting_down"
  )

  /// The model could not write.
  static func failed(_ message: String) -> APIError {
    APIError(status: 500, message, type: "server_error")
  }

  /// What is wrong with a body that `error` tells of.
  init(_ error: DecodingError) {
    func path(_ context: DecodingError.Context, _ last: (any CodingKey)? = nil) -> String {
      (context.codingPath + (last.map { [$0] } ?? [])).map { key in
        key.intValue.map { "[\($0)]" } ?? key.stringValue
      }.reduce("") { $1.hasPrefix("[") || $0.isEmpty ? $0 + $1 : $0 + "." + $1 }
    }
    switch error {
    case .keyNotFound(let key, let context):
      let name = path(context, key)
      self = .invalid(
        "Missing required parameter: '\(name)'.",
        name,
        code: "missing_required_parameter"
      )
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      let name = path(context)
      let place = name.isEmpty ? "the request" : "'\(name)'"
      self = .invalid(
        "Invalid type for \(place): \(context.debugDescription)",
        name.isEmpty ? nil : name,
        code: "invalid_type"
      )
    case .dataCorrupted(let context) where !context.codingPath.isEmpty:
      let name = path(context)
      self = .invalid(
        "Invalid value for '\(name)': \(context.debugDescription)",
        name,
        code: "invalid_value"
      )
    default:
      self = .invalid("The body of the request is not valid JSON.", code: "invalid_json")
    }
  }
}
