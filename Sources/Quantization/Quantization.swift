// The door of this target; its contents follow.
