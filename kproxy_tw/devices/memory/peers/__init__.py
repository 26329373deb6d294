"""What other kproxys know of exporters that a balancer spreads over all of them: asked for, and given."""
