import ArgumentParser
import ChatTemplates
import CommandOptions
import Diagnostics
import Foundation
import Generation
import Hummingbird
import HummingbirdCore
import Logging
import Models
import NIOCore
import Serving
import Tensors
import Tokenization

@main
struct Server: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "qmoe-server",
    abstract: "Serves a model to programs that speak the OpenAI interface, and to browsers.",
    discussion: "Example: qmoe-server Qwen3-30B-A3B-qmoe --port 8080; `qmoe serve` starts it, too.",
    version: programVersion
  )

  @OptionGroup var options: ServerOptions

  static func main() async {
    // Clients that go away are errors of writing, not signals.
    signal(SIGPIPE, SIG_IGN)
    MappedFile.reportLostPages()
    LoggingSystem.bootstrap { label in
      var handler = StreamLogHandler.standardError(label: label)
      handler.logLevel = .warning
      return handler
    }
    do {
      try await parseOrExit().run()
    } catch let error as InputError {
      say("qmoe-server: error: \(error)")
      Foundation.exit(EXIT_FAILURE)
    } catch {
      exit(withError: error)
    }
  }

  func run() async throws {
    let (service, engine, cache) = try load()
    let routes = Routes(
      service: service,
      engine: engine,
      cache: cache,
      figures: Figures(
        folder: URL(userPath: options.model),
        sweep: options.sweep.map { URL(userPath: $0) }
      ),
      key: key,
      largestBody: options.largestBody.bytes
    )
    let application = Application(
      router: routes.router(),
      server: .http1(
        configuration: .init(
          additionalChannelHandlers: [DisconnectionHandler(routes.disconnections)],
          idleTimeout: .seconds(Self.idleSeconds)
        )
      ),
      configuration: ApplicationConfiguration(
        address: .hostname(options.host, port: options.port),
        serverName: "qmoe/\(programVersion)",
        availableConnectionsDelegate: MaximumAvailableConnections(Self.mostConnections)
      ),
      onServerRunning: { channel in
        let port = channel.localAddress?.port ?? 0
        let host = options.host.contains(":") ? "[\(options.host)]" : options.host
        Self.say("qmoe serves \(service.name) at http://\(host):\(port)")
      }
    )
    let signals = ImpatientSignals()
    defer { signals.cancel() }
    do {
      try await application.runService()
    } catch {
      let code = (error as? IOError)?.errnoCode
      throw InputError(
        .system,
        at: "\(options.host):\(options.port)",
        expected: "an address to listen on",
        found: code.map { String(cString: strerror($0)).lowercased() } ?? "\(error)",
        remedy: "Choose another one with --host and --port; --port 0 takes a free one"
      )
    }
    await engine.close()
  }

  /// What requests must name; an empty variable is as none.
  private var key: String? {
    let variable = ProcessInfo.processInfo.environment["QMOE_API_KEY"].flatMap {
      $0.isEmpty ? nil : $0
    }
    return options.apiKey ?? variable
  }

  /// Seconds after which a connection is closed on which nothing is asked or sent.
  private static let idleSeconds: Int64 = 60
  /// Connections at a time; more must wait.
  private static let mostConnections = 1024

  private func load() throws(InputError) -> (OpenAIService, Engine, ExpertCache?) {
    let folder = URL(userPath: options.model)
    let workers = Workers(count: options.threads)
    let model = try ModelLoader.load(
      folder,
      execution: .fused(workers),
      memory: options.memory.budget(threads: workers.count)
    )
    let tokenizer = try loadTokenizer(folder, model: model)
    let context = options.context ?? min(model.contextLength, ServerOptions.longestDefault)
    guard context <= model.contextLength else {
      throw InputError(
        .invalidValue,
        at: "--context",
        expected: "at most \(model.contextLength), the model's context",
        found: "\(context)"
      )
    }
    let limits = Engine.Limits(
      parallel: options.parallel,
      queue: options.queue,
      prefixes: options.prefixes
    )
    let service = OpenAIService(
      model,
      tokenizer,
      name: options.name ?? folder.standardizedFileURL.lastPathComponent,
      format: try chatFormat(folder, model, tokenizer),
      context: context,
      mostTexts: limits.texts
    )
    return (service, Engine(model, tokenizer, limits: limits), model.expertCache)
  }

  /// How conversations with the model are written; `nil` if it is not made for them.
  private func chatFormat(
    _ folder: URL,
    _ model: any LanguageModel,
    _ tokenizer: Tokenizer
  ) throws(InputError) -> ChatFormat? {
    guard model.continuesInput else { return nil }
    if let path = options.chatTemplate {
      let template = try ChatTemplate.load(file: URL(userPath: path), folder: folder)
      return try ChatFormat(template, tokenizer)
    }
    do {
      return try ChatFormat(ChatTemplate.load(folder: folder), tokenizer)
    } catch {
      guard error.kind == .missing else { throw error }
      return nil
    }
  }

  private static func say(_ line: String) {
    try? FileHandle.standardError.write(contentsOf: Data((line + "\n").utf8))
  }
}
