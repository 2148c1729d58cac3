import Foundation

/// Largest resident memory of this process so far, in bytes.
public func peakMemory() -> Int {
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
