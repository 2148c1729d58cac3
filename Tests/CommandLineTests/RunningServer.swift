import Foundation
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// The server's program with the embedded decoder-only model, as long as this object lives.
final class RunningServer {
  private let process = Process()
  private let folder: TemporaryFolder
  let port: UInt16

  /// The program, beside that of the tool.
  static let url = Program.url.deletingLastPathComponent().appending(path: "qmoe-server")

  /// Starts it on a free port.
  init(_ arguments: String..., tool: Bool = false) throws {
    folder = try TemporaryFolder()
    let template = try folder.file(
      "chat.jinja",
      "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"
    )
    process.executableURL = tool ? Program.url : Self.url
    process.arguments =
      (tool ? ["serve"] : []) + [Fixtures.qwenMini.path, "--port", "0", "--name", "mini"]
      + ["--chat-template", template.path] + arguments
    let errors = Pipe()
    process.standardError = errors
    process.standardInput = FileHandle.nullDevice
    try process.run()
    var line = ""
    while !line.contains("\n") {
      let more = errors.fileHandleForReading.availableData
      if more.isEmpty { break }
      line += String(decoding: more, as: UTF8.self)
    }
    let announced = line.split(separator: ":").last.map {
      $0.trimmingCharacters(in: .whitespacesAndNewlines)
    }
    port = try #require(announced.flatMap { UInt16($0) }, "\(line)")
  }

  deinit { if process.isRunning { process.terminate() } }

  /// Asks it to end, as the system does.
  func terminate() { process.terminate() }

  /// Its exit code, when it has ended.
  func status() -> Int32 {
    process.waitUntilExit()
    return process.terminationReason == .exit ? process.terminationStatus : -1
  }

  /// Sends `text` on a connection of its own and gives all that comes back until the server closes it.
  func exchange(_ text: String) throws -> String {
    let connection = try Connection(port: port)
    connection.send(text)
    return connection.rest()
  }

  /// The answer to a request with `body`, or to one without.
  func ask(
    _ path: String,
    _ body: String? = nil,
    headers: String = ""
  ) throws -> (status: Int, head: String, body: String) {
    let method = body == nil ? "GET" : "POST"
    let answer = try exchange(
      "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\(headers)"
        + "Content-Length: \(body?.utf8.count ?? 0)\r\n\r\n\(body ?? "")"
    )
    let parts = answer.split(separator: "\r\n\r\n", maxSplits: 1).map(String.init)
    let status = try #require(parts.first.flatMap { Int($0.split(separator: " ")[1]) }, "\(answer)")
    return (status, parts[0], parts.count > 1 ? parts[1] : "")
  }

  /// The value of a figure of `/metrics`.
  func metric(_ name: String) throws -> Double? {
    let lines = try ask("/metrics").body.split(whereSeparator: \.isNewline)
    return lines.first { $0.hasPrefix(name + " ") }.flatMap { Double($0.split(separator: " ")[1]) }
  }

  /// Texts that it has taken, whatever has become of them.
  func textsTaken() throws -> Int {
    let lines = try ask("/metrics").body.split(whereSeparator: \.isNewline)
    return lines.reduce(0) { sum, line in
      let isCount = ["qmoe_texts_running ", "qmoe_texts_waiting ", "qmoe_texts_total{"].contains {
        line.hasPrefix($0)
      }
      return sum + (isCount ? line.split(separator: " ").last.flatMap { Int($0) } ?? 0 : 0)
    }
  }

  /// Whether `condition` comes to hold within some seconds.
  func waits(for condition: () throws -> Bool) throws -> Bool {
    let end = ContinuousClock.now + .seconds(120)
    while ContinuousClock.now < end {
      if try condition() { return true }
    }
    return false
  }

  /// Whether it comes to read and write no text any more.
  func becomesIdle() throws -> Bool {
    try waits { try metric("qmoe_texts_running") == 0 && metric("qmoe_texts_waiting") == 0 }
  }
}

/// A connection to a server of this machine.
final class Connection {
  private let socket: Int32

  init(port: UInt16) throws {
    #if canImport(Glibc)
      socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    #else
      socket = Darwin.socket(AF_INET, SOCK_STREAM, 0)
    #endif
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    // A server that does not answer fails the test instead of stopping it.
    var patience = timeval(tv_sec: 120, tv_usec: 0)
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    try #require(result == 0, "\(String(cString: strerror(errno)))")
  }

  deinit { close(socket) }

  /// Sends `text`, as far as the server takes it.
  func send(_ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      #if canImport(Glibc)
        let count = rest.withUnsafeBytes {
          Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
      #else
        let count = rest.withUnsafeBytes { Darwin.send(socket, $0.baseAddress, $0.count, 0) }
      #endif
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }

  /// What comes next; empty at the end.
  func more() -> String {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    let count = recv(socket, &buffer, buffer.count, 0)
    return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
  }

  /// Reads until `part` has come.
  func read(until part: String) -> String {
    var text = ""
    while !text.contains(part) {
      let more = more()
      if more.isEmpty { break }
      text += more
    }
    return text
  }

  /// All that comes.
  func rest() -> String {
    var text = ""
    while true {
      let more = more()
      if more.isEmpty { return text }
      text += more
    }
  }

  /// Says that nothing more will be sent.
  func finish() { shutdown(socket, Int32(SHUT_WR)) }
}
