import CompressedFolder
import Diagnostics
import Foundation
import Tensors

/// A model's folder: what it is called, and what its bytes are for.
package struct FolderContents: Sendable {
  /// What bytes are for.
  package enum Purpose: Int, CaseIterable, Sendable {
    case experts, embeddings, attention, networks, rest, tokenizer, files
  }

  /// The folder's name.
  package var name: String
  /// The `model_type` of its configuration.
  package var type: String?
  /// Bytes by purpose; those of tensors without what stands around them in their files.
  package var bytes: [Purpose: Int]

  /// Contents of these parts; see the properties.
  package init(name: String, type: String?, bytes: [Purpose: Int]) {
    (self.name, self.type, self.bytes) = (name, type, bytes)
  }

  /// Bytes of all files.
  package var totalBytes: Int { bytes.values.reduce(0, +) }

  /// Looks at what is in the folder of `checkpoint`.
  init(_ checkpoint: Checkpoint) throws(InputError) {
    name = checkpoint.folder.standardizedFileURL.lastPathComponent
    bytes = [:]
    var total = 0
    for file in try Files.regular(in: checkpoint.folder) {
      let path = checkpoint.folder.appending(path: file).path
      var status = stat()
      guard stat(path, &status) == 0 else { throw .system(errno, reading: path) }
      total += Int(status.st_size)
      if Self.isTokenizer(file) { bytes[.tokenizer, default: 0] += Int(status.st_size) }
    }
    let aliases = checkpoint.aliases(besides: [])
    for name in checkpoint.names where !aliases.contains(name) {
      bytes[Self.purpose(ofTensor: name), default: 0] += try checkpoint.peek(name).bytes.count
    }
    bytes[.files] = max(0, total - totalBytes)
    struct Configuration: Decodable { var model_type: String? }
    let configuration = checkpoint.folder.appending(path: "config.json").path
    if try Files.isRegular(configuration) {
      let json = try MappedFile(path: configuration).data
      type = try? JSONDecoder().decode(Configuration.self, from: json).model_type
    }
  }

  private static func isTokenizer(_ file: String) -> Bool {
    ["tokenizer", "vocab", "merges", "special_tokens", "added_tokens", "chat_template"]
      .contains(where: file.hasPrefix) || file.hasSuffix(".model")
  }

  /// By the words that models of all kinds call their tensors.
  private static func purpose(ofTensor name: String) -> Purpose {
    if ExpertName(ofTensor: name) != nil { return .experts }
    func has(_ words: String...) -> Bool { words.contains(where: name.lowercased().contains) }
    if has("embed", "lm_head") || name.hasPrefix("shared.") { return .embeddings }
    if has("norm", "router", "mlp.gate.") { return .rest }
    if has("attn", "attention") { return .attention }
    return has("mlp", "ffn", "feed_forward", "dense", "moe") ? .networks : .rest
  }
}

extension FolderContents.Purpose {
  /// What it is called in a legend.
  var title: String {
    switch self {
    case .experts: "experts"
    case .embeddings: "embeddings and output"
    case .attention: "attention"
    case .networks: "networks that all tokens share"
    case .rest: "routers, norms, others"
    case .tokenizer: "tokenizer"
    case .files: "other files, headers"
    }
  }
}
