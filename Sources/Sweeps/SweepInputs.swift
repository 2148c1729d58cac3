import CompressedFolder
import Corpus
import Diagnostics
import Foundation
import Tensors

/// Checksums of everything that results depend on, but for the configuration.
struct SweepInputs {
  private let model: String
  private let calibration: String
  private let validation: String
  private let program: String

  /// The inputs of `job`; reads the whole checkpoint.
  ///
  /// - Throws: `InputError` if a file of the model cannot be read.
  init(
    _ job: SweepJob,
    progress: @escaping ProgressReport.Handler
  ) throws(InputError) {
    model = try Self.digest(of: job.model, job.workers, progress)
    calibration = Self.digest(of: job.calibration)
    validation = Self.digest(of: job.validation)
    program = "\(job.program), format \(QuantizationConfig.currentVersion)"
  }

  /// The key of the original model's loss.
  var originalKey: String { "original; model \(model); validation \(validation); \(program)" }

  /// The key of what `configuration` gives.
  func key(_ configuration: SweepConfiguration) -> String {
    // Swift's own description of the options tells all of them, whatever is added to them.
    let options = Self.digest(of: "\(configuration.options)")
    return "\(configuration.name); options \(options); model \(model); calibration \(calibration); "
      + "validation \(validation); \(program)"
  }

  /// Names, sizes and contents of all files in `folder`.
  private static func digest(
    of folder: URL,
    _ workers: Workers,
    _ progress: @escaping ProgressReport.Handler
  ) throws(InputError) -> String {
    let names = try Files.regular(in: folder)
    let paths = names.map { folder.appending(path: $0).path }
    let done = Counter()
    let files = try workers.map(paths.count) { (index) throws(InputError) -> String in
      let bytes = try MappedFile(path: paths[index]).bytes
      let digest = checksum(of: bytes.buffer)
      done.add { progress(ProgressReport("reading the model", $0, of: paths.count, "files")) }
      return "\(paths[index].split(separator: "/").last ?? "") \(bytes.count) \(digest)\n"
    }
    return digest(of: files.joined())
  }

  /// All ids.
  private static func digest(of samples: [Sample]) -> String {
    let checksums = samples.map { sample in
      let ids = [sample.inputIDs.count] + sample.inputIDs + sample.labels
      return ids.withUnsafeBytes { checksum(of: $0) }
    }
    return hexadecimal(checksums.withUnsafeBytes { checksum(of: $0) })
  }

  private static func digest(of text: String) -> String {
    hexadecimal(Array(text.utf8).withUnsafeBytes { checksum(of: $0) })
  }
}
