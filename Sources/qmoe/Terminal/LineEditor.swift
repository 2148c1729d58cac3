import CEdit
import Foundation

/// Lets a user edit lines on the terminal, with a history that is kept in a file.
///
/// Ctrl-C clears the line and ends the input on an empty one, as Ctrl-D does.
final class LineEditor: LineReader {
  private static let historyLength: Int32 = 1000

  private let editor: OpaquePointer
  private let history: OpaquePointer
  private let file: String?
  /// What libedit shows before the line; ends with a zero.
  private var prompt: UnsafeMutablePointer<CChar>?

  /// An editor whose history is kept in the file at `path`; `nil` if the terminal cannot have one.
  init?(history path: String?) {
    Self.useUTF8()
    guard let history = qmoe_history_begin(Self.historyLength, path) else { return nil }
    guard let editor = qmoe_edit_begin(history) else {
      history_end(history)
      return nil
    }
    (self.editor, self.history, file) = (editor, history, path)
    // The editor does not outlive this object.
    qmoe_edit_set_data(editor, Unmanaged.passUnretained(self).toOpaque())
    qmoe_edit_prompt(editor) { editor in
      qmoe_edit_data(editor).flatMap {
        Unmanaged<LineEditor>.fromOpaque($0).takeUnretainedValue().prompt
      }
    }
  }

  deinit {
    el_end(editor)
    history_end(history)
    free(prompt)
  }

  func next(_ prompt: String) -> String? {
    free(self.prompt)
    self.prompt = strdup(prompt)
    var count: Int32 = 0
    guard let text = el_gets(editor, &count), count > 0 else { return nil }
    let line = String(cString: text).trimmingCharacters(in: .newlines)
    if !line.isEmpty { qmoe_history_add(history, line, file) }
    return line
  }

  /// libedit decodes what is typed by the locale's encoding.
  private static func useUTF8() {
    for name in ["", "C.UTF-8", "en_US.UTF-8"] {
      setlocale(LC_CTYPE, name)
      if let encoding = nl_langinfo(nl_item(CODESET)), String(cString: encoding) == "UTF-8" {
        return
      }
    }
  }
}
