/// An expression of a template, and the line it begins in.
struct Expression: Sendable {
  var line: Int
  var kind: Kind

  /// Whether it is the result of the filter `safe`.
  var isMarkedSafe: Bool {
    if case .filter(_, "safe", _) = kind { true } else { false }
  }

  indirect enum Kind: Sendable {
    case literal(Value)
    case name(String)
    case list([Expression])
    case tuple([Expression])
    case dictionary([(key: Expression, value: Expression)])
    case attribute(Expression, String)
    case item(Expression, Expression)
    case slice(Expression, start: Expression?, stop: Expression?, step: Expression?)
    case call(Expression, Arguments)
    case filter(Expression, String, Arguments)
    case test(Expression, String, Arguments)
    case not(Expression)
    case and(Expression, Expression)
    case or(Expression, Expression)
    case conditional(test: Expression, then: Expression, otherwise: Expression?)
    case comparison(Expression, [(Comparison, Expression)])
    case arithmetic(Arithmetic, Expression, Expression)
    case sign(isNegative: Bool, Expression)
    case concatenation([Expression])
    /// What a block (`{% set %}`, `{% filter %}`) rendered, the input of its first filter.
    case block
  }
}

/// The operators between numbers, and between texts and lists.
enum Arithmetic: String, Sendable {
  case add = "+"
  case subtract = "-"
  case multiply = "*"
  case divide = "/"
  case floorDivide = "//"
  case remainder = "%"
  case power = "**"
}

/// The operators that compare.
enum Comparison: String, Sendable {
  case equal = "=="
  case notEqual = "!="
  case less = "<"
  case lessOrEqual = "<="
  case greater = ">"
  case greaterOrEqual = ">="
  case isIn = "in"
  case isNotIn = "not in"
}

/// What stands between the parentheses of a call.
struct Arguments: Sendable {
  var positional: [Expression] = []
  var named: [(name: String, value: Expression)] = []
  /// `*expression`.
  var variadic: Expression?
  /// `**expression`.
  var namedVariadic: Expression?
}

/// What `set` and `for` assign to.
indirect enum Target: Sendable {
  case name(String)
  case attribute(namespace: String, String)
  case tuple([Target])
}

/// A macro, or the body of a call block.
struct MacroDefinition: Sendable {
  var name: String
  var parameters: [String]
  /// The values of the last parameters.
  var defaults: [Expression]
  var body: [Statement]
  /// Which of `varargs`, `kwargs` and `caller` the body mentions and so accepts.
  var special: Set<String>
}

/// A `for` loop.
struct ForLoop: Sendable {
  var target: Target
  var sequence: Expression
  var condition: Expression?
  var isRecursive: Bool
  var body: [Statement]
  var otherwise: [Statement]
}

/// A statement of a template, and the line it begins in.
struct Statement: Sendable {
  var line: Int
  var kind: Kind

  indirect enum Kind: Sendable {
    case text(String)
    case output(Expression)
    case branches([(test: Expression, body: [Statement])], otherwise: [Statement])
    case loop(ForLoop)
    case set(Target, Expression)
    /// `{% set target | filters %}body{% endset %}`.
    case setBlock(Target, filters: Expression, [Statement])
    case filterBlock(Expression, [Statement])
    case macro(MacroDefinition)
    /// `{% call(parameters) callee(arguments) %}body{% endcall %}`.
    case callBlock(MacroDefinition, callee: Expression, Arguments)
    case with([(target: Target, value: Expression)], [Statement])
    /// `{% generation %}`, which marks what the assistant says and prints it unchanged.
    case generation([Statement])
    case breakLoop
    case continueLoop
  }
}
