/// A pointer, or a value of pointers, that threads share; each touches its own part of it.
package struct Shared<Value>: @unchecked Sendable {
  package let value: Value
  package init(_ value: Value) { self.value = value }
}
