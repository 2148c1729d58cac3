/// Version of the program.
public let programVersion = "0.1.0"
