import Diagnostics
import Foundation
import ModelPicture
import Serving
import Tensors

/// The picture of the model, drawn when somebody asks for it first.
actor Figures {
  private let folder: URL
  private let sweep: URL?
  private var drawing: Task<String, any Error>?

  init(folder: URL, sweep: URL?) { (self.folder, self.sweep) = (folder, sweep) }

  /// The picture as a part of a page.
  ///
  /// - Throws: `APIError` if the model or the file of the sweep is damaged.
  func html() async throws -> String {
    let task =
      drawing
      ?? Task.detached(priority: .utility) { [folder, sweep] in try Self.draw(folder, sweep) }
    drawing = task
    do {
      return try await task.value
    } catch {
      // Perhaps the file is better next time.
      drawing = nil
      throw APIError(status: 500, "\(error)", type: "server_error")
    }
  }

  private static func draw(_ folder: URL, _ sweep: URL?) throws(InputError) -> String {
    // All experts are decoded: on one thread, since texts are written meanwhile.
    let picture = try ModelPicture(
      folder: folder,
      sweep: sweep,
      workers: Workers(count: 1),
      progress: { _ in }
    )
    return "<style>\n\(ModelPicture.style)</style>\n\(picture.figures)"
  }
}
