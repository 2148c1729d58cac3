import Foundation

/// Largest resident memory of this process so far, in bytes.
public func peakMemory() -> Int {
  // On Linux `getrusage` counts the program too that this one was started from (proc(5), `VmHWM`).
  if let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
    let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
    let size = line.split(whereSeparator: \.isWhitespace).lazy.compactMap({ Int($0) }).first
  {
    return size * 1024
  }
  var usage = rusage()
  #if canImport(Glibc)
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return Int(usage.ru_maxrss) * 1024
  #else
    getrusage(RUSAGE_SELF, &usage)
    return Int(usage.ru_maxrss)
  #endif
}

/// Memory that programs may still take, in bytes: what the system says it can give, at most what the control group of
/// this process may have.
public func availableMemory() -> Int {
  let physical = Int(ProcessInfo.processInfo.physicalMemory)
  #if canImport(Glibc)
    let information = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? ""
    let line = information.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
    let kilobytes = line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
    let limit = try? String(contentsOfFile: "/sys/fs/cgroup/memory.max", encoding: .utf8)
    let allowed = limit.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
    return min(kilobytes.map { $0 * 1024 } ?? physical, allowed ?? physical)
  #else
    return physical
  #endif
}

/// Bytes that a program may still write to the disk of `folder`; `nil` if the system does not tell.
public func freeDiskSpace(at folder: URL) -> Int? {
  var status = statvfs()
  guard statvfs(folder.path, &status) == 0 else { return nil }
  let (blocks, size) = (UInt64(status.f_bavail), UInt64(status.f_frsize))
  let (bytes, isTooMany) = blocks.multipliedReportingOverflow(by: size)
  return isTooMany ? .max : Int(clamping: bytes)
}
