import Diagnostics
import Foundation

extension ChatTemplate {
  /// The template of the model in `folder`, with its special tokens as variables.
  ///
  /// The template is the text of `chat_template.jinja`, or `chat_template` in
  /// `tokenizer_config.json`: a text, or a list of named ones of which `default` is taken. Tokens
  /// stand in `tokenizer_config.json`, in old folders in `special_tokens_map.json`.
  ///
  /// - Throws: `InputError` if there is no template, or a file is not of its format.
  public static func load(folder: URL) throws(InputError) -> ChatTemplate {
    let file = folder.appending(path: "chat_template.jinja")
    if try Files.isThere(file.path) { return try load(file: file, folder: folder) }
    let configurationFile = folder.appending(path: "tokenizer_config.json")
    let place = "\(configurationFile.path), chat_template"
    let source = try source(try json(configurationFile)?["chat_template"], place, folder)
    return try ChatTemplate(source, place: place, variables: variables(of: folder))
  }

  /// The template in `file` for the model in `folder`, whose special tokens are its variables.
  ///
  /// - Throws: `InputError` if the file is not there or no template.
  public static func load(file: URL, folder: URL) throws(InputError) -> ChatTemplate {
    guard let bytes = try read(file) else { throw .system(ENOENT, reading: file.path) }
    guard let source = String(validating: bytes, as: UTF8.self) else {
      throw InputError(.malformed, at: file.path, expected: "UTF-8 text", found: "other bytes")
    }
    return try ChatTemplate(source, place: file.path, variables: variables(of: folder))
  }

  private static func variables(of folder: URL) throws(InputError) -> [String: Value] {
    let configuration = try json(folder.appending(path: "tokenizer_config.json"))
    var variables = tokens(in: configuration)
    // As in transformers, the older file counts only where the newer one lists no added tokens.
    if configuration?["added_tokens_decoder"] == nil {
      let map = tokens(in: try json(folder.appending(path: "special_tokens_map.json")))
      variables.merge(map) { $1 }
    }
    return variables
  }

  private static func source(
    _ value: Value?,
    _ place: String,
    _ folder: URL
  ) throws(InputError) -> String {
    switch value {
    case .string(let source)?: return source
    case .array(let templates)?:
      let chosen = templates.first { $0["name"] == "default" }
      guard case .string(let source)? = chosen?["template"] else {
        throw InputError(
          .missing,
          at: place,
          expected: "a template named 'default'",
          found: "\(templates.count) others"
        )
      }
      return source
    case nil, .null?:
      throw InputError(
        .missing,
        at: folder.path,
        expected: "a chat template in chat_template.jinja or tokenizer_config.json",
        found: "none",
        remedy: "The model may not be made for chats; give it a plain prompt"
      )
    case .some:
      throw InputError(.malformed, at: place, expected: "a text or a list", found: "something else")
    }
  }

  private static let tokenNames: Set<String> = [
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
  ]

  /// The texts of the special tokens that `file` states, by their names there.
  private static func tokens(in file: Value?) -> [String: Value] {
    guard case .object(let members)? = file else { return [:] }
    var tokens: [String: Value] = [:]
    for member in members where tokenNames.contains(member.name) {
      switch member.value {
      case .string: tokens[member.name] = member.value
      case .object:
        if case .string(let text)? = member.value["content"] { tokens[member.name] = .string(text) }
      default: break
      }
    }
    return tokens
  }

  private static func json(_ file: URL) throws(InputError) -> Value? {
    guard let bytes = try read(file) else { return nil }
    return try Value(json: bytes, place: file.path)
  }

  /// The bytes of `file`; nil if it is not there.
  private static func read(_ file: URL) throws(InputError) -> Data? {
    guard try Files.isThere(file.path) else { return nil }
    do {
      return try Data(contentsOf: file)
    } catch {
      throw InputError(
        .system,
        at: file.path,
        expected: "a readable file",
        found: "a folder, or a file that may not be read"
      )
    }
  }
}
