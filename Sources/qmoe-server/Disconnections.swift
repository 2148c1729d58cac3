import NIOCore
import Synchronization

/// What to do when a client goes away while it is answered: nobody reads on from such connections, so that only
/// the channel tells.
final class Disconnections: Sendable {
  private struct State {
    var actions: [ObjectIdentifier: @Sendable () -> Void] = [:]
    /// Connections whose clients have gone, until they are closed.
    var gone: Set<ObjectIdentifier> = []
  }

  private let state = Mutex(State())

  /// Calls `action` when the client of `channel` goes away; at once if it has gone.
  func watch(_ channel: any Channel, _ action: @escaping @Sendable () -> Void) {
    let id = ObjectIdentifier(channel)
    let isGone = state.withLock { state in
      if state.gone.contains(id) || !channel.isActive { return true }
      state.actions[id] = action
      return false
    }
    if isGone { action() }
  }

  /// Forgets the action of `channel`, whose client has been answered.
  func forget(_ channel: any Channel) {
    state.withLock { $0.actions[ObjectIdentifier(channel)] = nil }
  }

  fileprivate func leave(_ channel: any Channel) {
    let id = ObjectIdentifier(channel)
    let action = state.withLock { state in
      state.gone.insert(id)
      return state.actions.removeValue(forKey: id)
    }
    action?()
  }

  fileprivate func close(_ channel: any Channel) {
    leave(channel)
    _ = state.withLock { $0.gone.remove(ObjectIdentifier(channel)) }
  }
}

/// Tells `Disconnections` of the client of one connection.
final class DisconnectionHandler: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = Any

  private let disconnections: Disconnections

  init(_ disconnections: Disconnections) { self.disconnections = disconnections }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    // A client that has closed its side waits for no answer, as other servers have it.
    if case ChannelEvent.inputClosed = event { disconnections.leave(context.channel) }
    context.fireUserInboundEventTriggered(event)
  }

  func channelInactive(context: ChannelHandlerContext) {
    disconnections.close(context.channel)
    context.fireChannelInactive()
  }
}
