import Diagnostics

/// The tensors of a file that `torch.save` wrote (PyTorch 1.6 or later), mapped and read only when touched.
///
/// Such a file is a zip file whose entries are stored uncompressed under one folder: `data.pkl`, a pickled dictionary
/// of names and tensors, `data/KEY`, the numbers of each storage, and, of newer versions, `byteorder`.
public struct PyTorchFile: Sendable {
  /// The tensors by name.
  public let tensors: [String: StoredTensor]
  /// The values that are no tensors, but integers.
  public let integers: [String: Int]
  /// The file.
  public let file: MappedFile

  /// Opens the file at `path` and checks all that it tells of its tensors.
  ///
  /// - Throws: `InputError` if it is missing, damaged, or holds anything but tensors and integers by name.
  public init(path: String) throws(InputError) {
    file = try MappedFile(path: path)
    guard ZipArchive.begins(file.bytes) else {
      throw InputError(
        file.bytes.count < 4 ? .truncated : .unsupported,
        at: path,
        expected: "a zip file of PyTorch 1.6 or later",
        found: "\(file.bytes.count) bytes of something else",
        remedy: "Load it by torch.load and save it by torch.save once more, or as safetensors"
      )
    }
    let archive = try ZipArchive(of: file.bytes, path: path)
    let folder = try Self.folder(of: archive, path: path)
    if let order = archive.entries["\(folder)/byteorder"] {
      guard file.bytes[order].buffer.elementsEqual("little".utf8) else {
        throw InputError(
          .unsupported,
          at: "\(path): '\(folder)/byteorder'",
          expected: "'little'",
          found: "another byte order",
          remedy: "Save the file on a little-endian machine"
        )
      }
    }
    let pickle = archive.entries["\(folder)/\(Self.pickleName)"] ?? 0..<0
    let values = try Unpickler.entries(
      of: file.bytes[pickle],
      place: "\(path): '\(folder)/\(Self.pickleName)'"
    )
    var tensors: [String: StoredTensor] = [:]
    var integers: [String: Int] = [:]
    for (key, value) in values {
      guard case .text(let name) = key else {
        throw InputError(
          .unsupported,
          at: path,
          expected: "tensors by name",
          found: "\(key.kind) as a name"
        )
      }
      let place = "\(path): tensor '\(name)'"
      guard tensors[name] == nil, integers[name] == nil else {
        throw InputError(
          .malformed,
          at: place,
          expected: "each name once",
          found: "it twice",
          remedy: LittleEndianReader.remedy
        )
      }
      switch value {
      case .tensor(let tensor):
        let content = archive.entries["\(folder)/data/\(tensor.storage.key)"]
        tensors[name] = try tensor.stored(in: content, place: place)
      case .integer(let number): integers[name] = number
      default:
        throw InputError(
          .unsupported,
          at: place,
          expected: "a tensor",
          found: value.kind,
          remedy: "Save the model's state_dict() alone by torch.save"
        )
      }
    }
    self.tensors = tensors
    self.integers = integers
  }

  private static let pickleName = "data.pkl"

  /// The folder in the archive that everything lies in.
  private static func folder(of archive: ZipArchive, path: String) throws(InputError) -> String {
    let folders = archive.entries.keys.compactMap { name -> String? in
      let parts = name.split(separator: "/", omittingEmptySubsequences: false)
      return parts.count == 2 && parts[1] == pickleName ? String(parts[0]) : nil
    }
    guard folders.count == 1 else {
      throw InputError(
        .malformed,
        at: path,
        expected: "one '\(pickleName)' in a folder of the archive",
        found: "\(folders.count)",
        remedy: LittleEndianReader.remedy
      )
    }
    return folders[0]
  }
}

extension PickledTensor {
  /// Where the elements lie in the file, the storage being `content`.
  ///
  /// - Throws: `InputError` naming `place` if the storage is missing or of another size, or the elements are not
  ///   within it, one after another.
  fileprivate func stored(
    in content: Range<Int>?,
    place: String
  ) throws(InputError) -> StoredTensor {
    let width = elementType.byteCount
    let (bytes, overflows) = storage.elements.multipliedReportingOverflow(
      by: storage.elementType?.byteCount ?? 1
    )
    guard let content, !overflows, bytes == content.count else {
      throw InputError(
        content == nil ? .missing : .malformed,
        at: place,
        expected: "\(storage.elements) elements in its storage, 'data/\(storage.key)'",
        found: content.map { "\($0.count) bytes" } ?? "no such entry",
        remedy: LittleEndianReader.remedy
      )
    }
    guard let count = ElementType.u8.byteCount(of: shape) else {
      throw InputError(
        .malformed,
        at: place,
        expected: "a shape of dimensions ≥ 0 that fits in memory",
        found: "\(shape)",
        remedy: LittleEndianReader.remedy
      )
    }
    var step = 1
    for (size, stride) in zip(shape, strides).reversed() where count > 0 {
      guard size == 1 || stride == step else {
        throw InputError(
          .unsupported,
          at: place,
          expected: "elements one after another",
          found: "shape \(shape) with strides \(strides)",
          remedy: "Save the tensor's contiguous()"
        )
      }
      step *= size
    }
    let capacity = content.count / width
    guard offset >= 0, offset <= capacity, count <= capacity - offset else {
      throw InputError(
        .malformed,
        at: place,
        expected: "elements within its storage of \(capacity)",
        found: "\(count) from element \(offset) on",
        remedy: LittleEndianReader.remedy
      )
    }
    let start = content.lowerBound + offset * width
    return StoredTensor(
      elementType: elementType,
      shape: shape,
      range: start..<start + count * width
    )
  }
}
