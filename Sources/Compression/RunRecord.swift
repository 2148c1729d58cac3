import CompressedFolder
import Corpus
import Diagnostics
import Foundation
import Tensors

/// What decides over every byte of a compressed folder, to tell whether an unfinished one may be gone on with.
struct RunRecord: Codable, Equatable {
  /// A file of the checkpoint, as the system tells of it.
  struct FileState: Codable, Equatable {
    var byteCount: Int
    /// In nanoseconds since 1970.
    var modified: Int
  }

  /// Of the program, and of the format that it writes.
  var version = "\(programVersion), format \(QuantizationConfig.currentVersion)"
  /// Settings by name.
  var options: [String: String]
  /// The checkpoint's files by name.
  var files: [String: FileState]
  /// Checksum of the calibration data's ids.
  var calibration: UInt32

  /// The record of compressing the checkpoint in `model`, calibrated on `samples`.
  ///
  /// - Throws: `InputError` if the folder cannot be listed.
  init(model: URL, options: CompressionOptions, samples: [Sample]) throws(InputError) {
    self.options = Dictionary(
      uniqueKeysWithValues: Mirror(reflecting: options).children.map {
        ($0.label ?? "", "\($0.value)")
      }
    )
    files = try Self.files(of: model)
    var ids: [Int32] = []
    for sample in samples {
      for part in [sample.inputIDs, sample.labels] {
        ids.append(Int32(clamping: part.count))
        ids += part.map { Int32(truncatingIfNeeded: $0) }
      }
    }
    calibration = ids.withUnsafeBytes { checksum(of: $0) }
  }

  /// The record in the unfinished `folder`; `nil` if there is none.
  static func read(from folder: URL) throws(InputError) -> RunRecord? {
    let path = folder.appending(path: OutputFolder.runName).path
    guard try Files.isRegular(path) else { return nil }
    return try RunRecord(json: MappedFile(path: path).data, in: folder.path)
  }

  /// The record whose JSON was found in `folder`.
  ///
  /// - Throws: `InputError` if it is none.
  init(json: Data, in folder: String) throws(InputError) {
    guard let record = try? JSONDecoder().decode(RunRecord.self, from: json) else {
      throw InputError(
        .corrupted,
        at: "\(folder)/\(OutputFolder.runName)",
        expected: "what the work there was begun with",
        found: "a damaged file",
        remedy: "Remove the folder to begin anew"
      )
    }
    self = record
  }

  /// All regular files in `folder`.
  static func files(of folder: URL) throws(InputError) -> [String: FileState] {
    var files: [String: FileState] = [:]
    for name in try Files.regular(in: folder) {
      var status = stat()
      let path = folder.appending(path: name).path
      guard stat(path, &status) == 0 else { throw .system(errno, reading: path) }
      #if canImport(Glibc)
        let time = status.st_mtim
      #else
        let time = status.st_mtimespec
      #endif
      files[name] = FileState(
        byteCount: Int(status.st_size),
        modified: Int(time.tv_sec) * 1_000_000_000 + Int(time.tv_nsec)
      )
    }
    return files
  }

  /// All but when files were changed, which is no property of what they hold.
  var description: String {
    let options = options.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    let files = files.sorted { $0.key < $1.key }.map { "\($0.key) of \($0.value.byteCount) bytes" }
    return ([version, "calibration \(calibration)"] + options + files).joined(separator: ", ")
  }

  /// Checks that this run would give what `earlier`, whose work is in `folder`, was to give.
  ///
  /// - Throws: `InputError` naming the first difference.
  func requireSame(as earlier: RunRecord, in folder: String) throws(InputError) {
    func refuse(_ expected: String, _ found: String) -> InputError {
      InputError(
        .invalidValue,
        at: folder,
        expected: expected + ", as when the work there was begun",
        found: found,
        remedy: "Restore that, or remove the folder to begin anew"
      )
    }
    if version != earlier.version { throw refuse("qmoe \(earlier.version)", version) }
    for name in Set(options.keys).union(earlier.options.keys).sorted()
    where options[name] != earlier.options[name] {
      throw refuse(
        "the setting \(name): \(earlier.options[name] ?? "none")",
        options[name] ?? "none"
      )
    }
    for name in Set(files.keys).union(earlier.files.keys).sorted()
    where files[name] != earlier.files[name] {
      throw refuse(
        "the checkpoint's file \(name)",
        files[name] == nil ? "none" : earlier.files[name] == nil ? "a new one" : "a changed one"
      )
    }
    if calibration != earlier.calibration { throw refuse("the calibration data", "others") }
  }
}
